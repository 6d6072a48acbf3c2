"""Conditional GANs: generators that are asked for a class, discriminators that know it.

The networks of Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014
<https://arxiv.org/abs/1411.1784>, Sec. 4.1, and DCGANs that are given a class.

Legend: B samples, C channels, H = W pixels, K classes, L size of a latent.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.registry import MODELS


class Maxout(nn.Module):
    """Of each unit the greatest of several linear maps (Goodfellow et al., "Maxout
    Networks", ICML 2013, Sec. 3).

    Maps (B, in_features) to (B, units).

    Args:
        in_features: Numbers that each unit sees.
        units: Numbers that come out.
        pieces: Linear maps of a unit.
    """

    def __init__(self, in_features: int, units: int, pieces: int) -> None:
        super().__init__()
        self.shape = (units, pieces)
        self.linear = nn.Linear(in_features, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, self.shape).amax(2)


# The paper leaves the initial weights open. These are the ranges, from -a to a, of the
# code of Goodfellow et al. 2014, on which the paper builds (mnist.yaml).
GENERATOR_INIT = dict(type='Uniform', layer='Linear', a=-0.05, b=0.05)
DISCRIMINATOR_INIT = dict(type='Uniform', layer='Linear', a=-0.005, b=0.005)


@MODELS.register_module()
class CGANGenerator(BaseModule):
    """The paper's generator: two inputs, each with a layer of its own, then joined.

    Maps (B, L) latents and (B,) classes to (B, C, H, W) images in [0, 1].

    Args:
        latent_dim: L.
        num_classes: K.
        image_shape: (C, H, W).
        dropout: Share of each hidden layer that training leaves out.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        dropout: float = 0.5,
        init_cfg: dict | None = GENERATOR_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        channels, height, width = image_shape
        self.latent = nn.Linear(latent_dim, 200)
        self.label = nn.Linear(num_classes, 1000)
        self.joint = nn.Linear(200 + 1000, 1200)
        self.image = nn.Linear(1200, channels * height * width)
        self.dropout = nn.Dropout(dropout)
        self.image_shape = (channels, height, width)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        one_hot = F.one_hot(labels, self.num_classes).to(latents)
        hidden = torch.cat([self.latent(latents), self.label(one_hot)], 1)
        hidden = self.dropout(F.relu(hidden))
        hidden = self.dropout(F.relu(self.joint(hidden)))
        return self.image(hidden).sigmoid().unflatten(1, self.image_shape)


@MODELS.register_module()
class CGANDiscriminator(BaseModule):
    """The paper's discriminator, of maxout layers.

    Maps (B, C, H, W) images and their (B,) classes to (B,) scores.

    Args:
        num_classes: K.
        image_shape: (C, H, W).
        dropout: Share of each hidden layer that training leaves out.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        num_classes: int = 10,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        dropout: float = 0.5,
        init_cfg: dict | None = DISCRIMINATOR_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        channels, height, width = image_shape
        self.image = Maxout(channels * height * width, 240, 5)
        self.label = Maxout(num_classes, 50, 5)
        self.joint = Maxout(240 + 50, 240, 4)
        self.score = nn.Linear(240, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        one_hot = F.one_hot(labels, self.num_classes).to(x)
        hidden = torch.cat([self.image(x.flatten(1)), self.label(one_hot)], 1)
        hidden = self.dropout(self.joint(self.dropout(hidden)))
        return self.score(hidden).squeeze(1)


def map_sizes(input_size: int) -> tuple[int, int]:
    """Smallest map of a network that halves images, and the number of halvings.

    Raises:
        ValueError: If no number of halvings leads to a map of 4 to 7 pixels.
    """
    halvings = (input_size // 4).bit_length() - 1
    if halvings < 1 or input_size % 2**halvings:
        raise ValueError(
            f'input_size {input_size} is not 4, 5, 6 or 7 times a power of two'
        )
    return input_size >> halvings, halvings


# Radford et al. 2016, Sec. 4; of batch norms the PyTorch example
DCGAN_INIT = (
    dict(type='Normal', layer=['Conv2d', 'ConvTranspose2d', 'Embedding'], std=0.02),
    dict(type='Normal', layer='_BatchNorm', mean=1, std=0.02),
)


@MODELS.register_module()
class ConditionalDCGANGenerator(BaseModule):
    """A DCGAN generator (Radford et al. 2016, arXiv 1511.06434) that is asked for a
    class.

    The embedding of the class stands beside the latent, as in the paper of conditional
    GANs (Sec. 3.2). Maps (B, L) latents and (B,) classes to (B, C, H, W) images in
    [-1, 1]. The number of channels falls from map to map, to ``base_channels`` before
    the image; 64 pixels are made of maps of 4, 8, 16 and 32.

    Args:
        latent_dim: L.
        num_classes: K.
        embed_dims: Length of the embedding.
        input_size: H and W, 4 to 7 times a power of two.
        base_channels: Channels of the greatest map.
        out_channels: C.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If ``input_size`` is no such number.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        embed_dims: int = 50,
        input_size: int = 64,
        base_channels: int = 64,
        out_channels: int = 3,
        init_cfg: dict | list | tuple | None = DCGAN_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.embedding = nn.Embedding(num_classes, embed_dims)
        map_size, doublings = map_sizes(input_size)
        widths = [base_channels << i for i in reversed(range(doublings))]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_dim + embed_dims, widths[0], map_size, bias=False)
        ]
        for in_width, width in pairwise((*widths, out_channels)):
            layers += [
                nn.BatchNorm2d(in_width),
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(in_width, width, 4, 2, 1, bias=False),
            ]
        self.main = nn.Sequential(*layers, nn.Tanh())

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        given = torch.cat([latents, self.embedding(labels)], 1)
        return self.main(given[:, :, None, None])  # maps of one pixel


@MODELS.register_module()
class ConditionalDCGANDiscriminator(BaseModule):
    """A DCGAN discriminator that is told the class, by projection.

    With f the last map and v of the class, ``(w + v) . f`` is the score (Miyato and
    Koyama, "cGANs with Projection Discriminator", ICLR 2018, arXiv 1802.05637, eq. 5):
    each class has last weights of its own beside those of all. Maps (B, C, H, W)
    images and (B,) classes to (B,) scores.

    Args:
        num_classes: K.
        input_size: H and W, 4 to 7 times a power of two.
        base_channels: Channels after the first convolution, which double with each.
        in_channels: C.
        norm: Batch norm after all convolutions but the first. Without it the score of
            an image depends on that image alone, as a gradient penalty wants it.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If ``input_size`` is no such number.
    """

    def __init__(
        self,
        num_classes: int = 10,
        input_size: int = 64,
        base_channels: int = 64,
        in_channels: int = 3,
        norm: bool = True,
        init_cfg: dict | list | tuple | None = DCGAN_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        map_size, halvings = map_sizes(input_size)
        layers: list[nn.Module] = []
        for i in range(halvings):
            width = base_channels << i
            normed = norm and i > 0
            layers.append(nn.Conv2d(in_channels, width, 4, 2, 1, bias=not normed))
            if normed:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            in_channels = width
        self.main = nn.Sequential(*layers)
        num_features = in_channels * map_size**2
        self.score = nn.Linear(num_features, 1)
        self.embedding = nn.Embedding(num_classes, num_features)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        features = self.main(x).flatten(1)
        weights = self.score.weight + self.embedding(labels)
        return (weights * features).sum(1) + self.score.bias
