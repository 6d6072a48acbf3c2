"""Networks of WGAN-GP, after Gulrajani et al., "Improved Training of Wasserstein GANs",
NeurIPS 2017, Appendix F <https://arxiv.org/abs/1704.00028>, with the authors' code
<https://github.com/igul222/improved_wgan_training> where the paper is silent.

No critic has a batch norm: the penalty is of the slope at each sample alone (Sec. 4).

Legend: B samples, L size of a latent, C channels of the image, S its side in pixels.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.registry import MODELS

#: Of the deviation of weights before a ReLU (He) over that of others (Glorot)
HE = math.sqrt(2)


def conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    gain: float = HE,
    bias: bool = True,
) -> nn.Conv2d:
    """A convolution that keeps the size of a map, with the authors' initialisation:
    uniform, of variance ``gain**2 * 2 / (fan_in + fan_out)``."""
    layer = nn.Conv2d(
        in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias
    )
    return initialised(layer, gain)


def initialised(layer: nn.Module, gain: float = 1.0) -> nn.Module:
    """A layer with Glorot's uniform weights times ``gain``, and without bias."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def layer_norm(num_channels: int) -> nn.Module:
    """Of the whole map, with a scale and an offset for each channel."""
    return nn.GroupNorm(1, num_channels)


def upsample() -> nn.Module:
    return nn.Upsample(scale_factor=2)


def mean_pool() -> nn.Module:
    return nn.AvgPool2d(2)


class ResidualBlock(nn.Module):
    """Norm, ReLU, convolution, twice, beside a shortcut.

    A block that goes up doubles the map before its first convolution, one that goes
    down halves it after its second; so does the shortcut, with a convolution of 1 x 1.

    Args:
        in_channels: Channels.
        out_channels: Channels.
        resample: 'up', 'down' or None.
        norm: Makes a norm of a number of channels; None for none.
        bias: Of the first convolution.
        pool_first: The shortcut of a block that goes down halves the map before its
            convolution, not after; the outcome is the same.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        resample: str | None = None,
        norm: Callable[[int], nn.Module] | None = None,
        bias: bool = True,
        pool_first: bool = False,
    ) -> None:
        super().__init__()
        inner = in_channels if resample == 'down' else out_channels
        self.norm1 = nn.Identity() if norm is None else norm(in_channels)
        self.conv1 = conv(in_channels, inner, 3, bias=bias)
        self.norm2 = nn.Identity() if norm is None else norm(inner)
        self.conv2 = conv(inner, out_channels, 3)
        self.up = upsample() if resample == 'up' else nn.Identity()
        self.down = mean_pool() if resample == 'down' else nn.Identity()
        self.shortcut: nn.Module = nn.Identity()
        if resample is not None or in_channels != out_channels:
            layers = [self.up, conv(in_channels, out_channels, 1, gain=1), self.down]
            if pool_first:
                layers[1:] = reversed(layers[1:])
            self.shortcut = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.up(F.relu(self.norm1(x))))
        out = self.down(self.conv2(F.relu(self.norm2(out))))
        return self.shortcut(x) + out


class FirstBlock(nn.Module):
    """Of a critic: no ReLU before the first convolution, as it is given an image.

    (B, C, S, S) to (B, channels, S / 2, S / 2).
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, channels, 3)
        self.conv2 = conv(channels, channels, 3)
        self.shortcut = nn.Sequential(mean_pool(), conv(in_channels, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        out = F.avg_pool2d(self.conv2(F.relu(self.conv1(x))), 2)
        return self.shortcut(x) + out


@MODELS.register_module()
class WGANGPGenerator(BaseModule):
    """Maps (B, L) latents to (B, C, S, S) images in [-1, 1].

    A linear layer makes a map of 4 x 4; S is 4 doubled by each block.

    Args:
        channels: Of the first map, and of that after each block: four times 128 for
            CIFAR-10 (S = 32), 512, 512, 256, 128, 64 for S = 64.
        latent_dim: L.
        out_channels: C.
        bias: Of the blocks' first convolutions; the authors' of S = 64 have none.
        last_gain: Of the last convolution's initial weights over Glorot's; the
            authors' of S = 64 have sqrt(2).
        init_cfg: See :class:`mmengine.model.BaseModule`; the authors' by default.

    Raises:
        ValueError: If there is no block.
    """

    num_classes = None

    def __init__(
        self,
        channels: Sequence[int] = (128, 128, 128, 128),
        latent_dim: int = 128,
        out_channels: int = 3,
        bias: bool = True,
        last_gain: float = 1.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        check_channels(channels)
        self.latent_dim = latent_dim
        self.input = initialised(nn.Linear(latent_dim, 4 * 4 * channels[0]))
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(before, after, 'up', nn.BatchNorm2d, bias)
                for before, after in pairwise(channels)
            )
        )
        self.norm = nn.BatchNorm2d(channels[-1])
        self.output = conv(channels[-1], out_channels, 3, last_gain)

    def forward(self, latents: Tensor) -> Tensor:
        x = self.blocks(self.input(latents).unflatten(1, (-1, 4, 4)))
        return torch.tanh(self.output(F.relu(self.norm(x))))


@MODELS.register_module()
class WGANGPCIFARCritic(BaseModule):
    """The authors' critic of CIFAR-10: maps (B, C, S, S) images to (B,) scores.

    Two blocks that halve the map, two that keep it, and the mean of all pixels; it
    has no norm at all.

    Args:
        channels: Of all maps.
        in_channels: C.
        init_cfg: See :class:`mmengine.model.BaseModule`; the authors' by default.
    """

    def __init__(
        self,
        channels: int = 128,
        in_channels: int = 3,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.blocks = nn.Sequential(
            FirstBlock(in_channels, channels),
            ResidualBlock(channels, channels, 'down'),
            ResidualBlock(channels, channels),
            ResidualBlock(channels, channels),
        )
        self.output = initialised(nn.Linear(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.blocks(x)).mean((2, 3))
        return self.output(x).squeeze(1)


@MODELS.register_module()
class WGANGPCritic(BaseModule):
    """The authors' critic of 64 x 64 pixels: (B, C, S, S) images to (B,) scores.

    A convolution, blocks that halve the map, each with layer norms, and a linear
    layer of all that is left.

    Args:
        channels: After the convolution, and after each block.
        image_size: S.
        in_channels: C.
        init_cfg: See :class:`mmengine.model.BaseModule`; the authors' by default.

    Raises:
        ValueError: If there is no block, or S cannot be halved by each of them.
    """

    def __init__(
        self,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        image_size: int = 64,
        in_channels: int = 3,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        check_channels(channels)
        side, rest = divmod(image_size, 2 ** (len(channels) - 1))
        if rest or not side:
            raise ValueError(
                f'image_size {image_size} cannot be halved {len(channels) - 1} times'
            )
        self.input = conv(in_channels, channels[0], 3, gain=1)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(before, after, 'down', layer_norm, False, True)
                for before, after in pairwise(channels)
            )
        )
        self.output = initialised(nn.Linear(channels[-1] * side**2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.blocks(self.input(x)).flatten(1)).squeeze(1)


def check_channels(channels: Sequence[int]) -> None:
    """Refuse networks without a block.

    Raises:
        ValueError: If there are not two numbers at least.
    """
    if len(channels) < 2:
        raise ValueError(f'channels {channels} leave no block between them')
