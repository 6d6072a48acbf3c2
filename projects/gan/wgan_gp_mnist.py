"""Networks of WGAN-GP for MNIST, after the authors' code
<https://github.com/igul222/improved_wgan_training> (``gan_mnist.py``), of Gulrajani et
al., "Improved Training of Wasserstein GANs", NeurIPS 2017
<https://arxiv.org/abs/1704.00028>.

TensorFlow pads a kernel of 5 by one line before and two after, PyTorch by two and one
more at the end. Hence these are the authors' networks of mirrored images: each kernel
is theirs turned by 180 degrees.

Legend: B samples, L size of a latent, D width.
"""

import math

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.gan.wgan_gp import initialised
from projects.registry import MODELS


def halve(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A convolution that halves a map, rounded up."""
    layer = nn.Conv2d(in_channels, out_channels, 5, stride=2, padding=2)
    return strided(layer, in_channels, out_channels / 4)


def double(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles a map."""
    layer = nn.ConvTranspose2d(
        in_channels, out_channels, 5, stride=2, padding=2, output_padding=1
    )
    return strided(layer, in_channels / 4, out_channels)


def strided(layer: nn.Module, in_channels: float, out_channels: float) -> nn.Module:
    """A layer with the authors' initial weights: uniform, of variance
    ``4 / (fan_in + fan_out)``, where a stride of 2 leaves a quarter of the connections
    on the side of the larger map."""
    bound = math.sqrt(3 * 4 / (25 * (in_channels + out_channels)))
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    return layer


@MODELS.register_module()
class WGANGPMNISTGenerator(BaseModule):
    """Maps (B, L) latents to (B, 1, 28, 28) images in [0, 1].

    It has no norm. For its range the model wants
    ``data_preprocessor=dict(mean=0, std=255)``.

    Args:
        latent_dim: L.
        base_channels: D.
        init_cfg: See :class:`mmengine.model.BaseModule`; the authors' by default.
    """

    num_classes = None

    def __init__(
        self,
        latent_dim: int = 128,
        base_channels: int = 64,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.latent_dim = latent_dim
        self.input = initialised(nn.Linear(latent_dim, 4 * 4 * 4 * base_channels))
        self.double1 = double(4 * base_channels, 2 * base_channels)
        self.double2 = double(2 * base_channels, base_channels)
        self.double3 = double(base_channels, 1)

    def forward(self, latents: Tensor) -> Tensor:
        x = F.relu(self.input(latents)).unflatten(1, (-1, 4, 4))
        x = F.relu(self.double1(x))[:, :, 1:, 1:]  # 7 x 7, of which 28 is a multiple
        x = F.relu(self.double2(x))
        return torch.sigmoid(self.double3(x))


@MODELS.register_module()
class WGANGPMNISTCritic(BaseModule):
    """Maps (B, 1, 28, 28) images to (B,) scores.

    Args:
        base_channels: D.
        init_cfg: See :class:`mmengine.model.BaseModule`; the authors' by default.
    """

    def __init__(
        self, base_channels: int = 64, init_cfg: dict | list[dict] | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.halve1 = halve(1, base_channels)
        self.halve2 = halve(base_channels, 2 * base_channels)
        self.halve3 = halve(2 * base_channels, 4 * base_channels)
        self.output = initialised(nn.Linear(4 * 4 * 4 * base_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        for halve_ in (self.halve1, self.halve2, self.halve3):
            x = F.leaky_relu(halve_(x), 0.2)
        return self.output(x.flatten(1)).squeeze(1)
