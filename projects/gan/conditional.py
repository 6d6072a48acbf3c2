"""Conditional GANs: generators that are asked for a class, discriminators that know it.

The networks of Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014
<https://arxiv.org/abs/1411.1784>, Sec. 4.1, and DCGANs that are given a class.

Legend: B samples, C channels, H = W pixels, K classes, L size of a latent.
"""

import math

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.gan.dcgan import INIT, DCGANDiscriminator, DCGANGenerator
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
        widths: Of the layers of the latent, of the class, and of both.
        dropout: Share of each hidden layer that training leaves out.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        widths: tuple[int, int, int] = (200, 1000, 1200),
        dropout: float = 0.5,
        init_cfg: dict | None = GENERATOR_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        of_latent, of_label, of_both = widths
        self.latent = nn.Linear(latent_dim, of_latent)
        self.label = nn.Linear(num_classes, of_label)
        self.joint = nn.Linear(of_latent + of_label, of_both)
        self.image = nn.Linear(of_both, math.prod(image_shape))
        self.dropout = nn.Dropout(dropout)
        self.image_shape = tuple(image_shape)

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
        widths: Of the layers of the image, of the class, and of both.
        pieces: Of the maxout units of these layers.
        dropout: Share of each hidden layer that training leaves out.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        num_classes: int = 10,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        widths: tuple[int, int, int] = (240, 50, 240),
        pieces: tuple[int, int, int] = (5, 5, 4),
        dropout: float = 0.5,
        init_cfg: dict | None = DISCRIMINATOR_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        of_image, of_label, of_both = widths
        self.image = Maxout(math.prod(image_shape), of_image, pieces[0])
        self.label = Maxout(num_classes, of_label, pieces[1])
        self.joint = Maxout(of_image + of_label, of_both, pieces[2])
        self.score = nn.Linear(of_both, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        one_hot = F.one_hot(labels, self.num_classes).to(x)
        hidden = torch.cat([self.image(x.flatten(1)), self.label(one_hot)], 1)
        hidden = self.dropout(self.joint(self.dropout(hidden)))
        return self.score(hidden).squeeze(1)


@MODELS.register_module()
class ConditionalDCGANGenerator(DCGANGenerator):
    """A DCGAN generator that is asked for a class.

    An embedding of the class stands beside the latent, as the paper of conditional
    GANs has it (Sec. 3.2). Maps (B, L) latents and (B,) classes to (B, C, H, W)
    images in [-1, 1].

    Args:
        latent_dim: L.
        num_classes: K.
        embed_dims: Length of the embedding.
        **kwargs: Of :class:`projects.gan.dcgan.DCGANGenerator`.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        embed_dims: int = 50,
        **kwargs,
    ) -> None:
        super().__init__(latent_dim + embed_dims, **kwargs)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.embedding = nn.Embedding(num_classes, embed_dims)  # N(0, 1), as latents

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return super().forward(torch.cat([latents, self.embedding(labels)], 1))


@MODELS.register_module()
class ConditionalDCGANDiscriminator(DCGANDiscriminator):
    """A DCGAN discriminator that is told the class, by projection.

    With f the last map, w the weights that make a score of it and v those of the
    class, the score is ``(w + v) . f`` (Miyato and Koyama, "cGANs with Projection
    Discriminator", ICLR 2018, arXiv 1802.05637, Sec. 3): how real an image is, and how
    well it suits its class. Maps (B, C, H, W) images and (B,) classes to (B,) scores.

    Args:
        num_classes: K.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`.
        **kwargs: Of :class:`projects.gan.dcgan.DCGANDiscriminator`.
    """

    def __init__(
        self,
        num_classes: int = 10,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ) -> None:
        like_weights = dict(type='Normal', layer='Embedding', std=0.02)
        super().__init__(init_cfg=init_cfg or [*INIT, like_weights], **kwargs)
        self.num_classes = num_classes
        self.embedding = nn.Embedding(num_classes, self.main[-1].weight.numel())

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        features = self.main[:-1](x)
        scores = self.main[-1](features).flatten()
        return scores + (self.embedding(labels) * features.flatten(1)).sum(1)
