"""What generator and discriminator minimise.

Legend: D(x) the discriminator's score of a real datum before any sigmoid, D(G(z))
that of a sample; s the sigmoid. Scores have any shape: a number for each datum, or a
map of numbers for patches of an image. All losses are means.
"""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.tasks.generation.latents import draw
from projects.registry import MODELS


class AdversarialLoss(nn.Module):
    """Losses of the two networks of the scores that the discriminator gives."""

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Of the scores of real data and of samples."""

    @abstractmethod
    def generator(self, fake: Tensor) -> Tensor:
        """Of the scores of samples."""


@MODELS.register_module()
class MinMaxLoss(AdversarialLoss):
    """The game of the first paper (Goodfellow et al. 2014, eq. 1).

    The discriminator maximises ``log s(D(x)) + log(1 - s(D(G(z))))``, the generator
    minimises the second term. Where the discriminator is sure, that term is flat.
    """

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        # log s(a) = -softplus(-a) and log(1 - s(a)) = -softplus(a)
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -F.softplus(fake).mean()


@MODELS.register_module()
class NonSaturatingLoss(MinMaxLoss):
    """As the first paper trains its generators (Sec. 3, last paragraph).

    The generator maximises ``log s(D(G(z)))``, which is steep where the discriminator
    is sure.
    """

    def generator(self, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()


@MODELS.register_module()
class LeastSquaresLoss(AdversarialLoss):
    """Squares of the distance to 1 and to 0 (Mao et al. 2017, arXiv 1611.04076, eq. 9
    with a = 0, b = c = 1); the scores are taken as they are, without a sigmoid."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return ((real - 1).square().mean() + fake.square().mean()) / 2

    def generator(self, fake: Tensor) -> Tensor:
        return (fake - 1).square().mean() / 2


@MODELS.register_module()
class WassersteinLoss(AdversarialLoss):
    """Difference of the mean scores (Arjovsky et al. 2017, arXiv 1701.07875, eq. 2).

    Where the discriminator, there called critic, is the best of all functions of
    slope 1 at most, that difference is the earth mover's distance; it is kept near
    such by :class:`GradientPenalty` or by clipping its weights.
    """

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


@MODELS.register_module()
class GradientPenalty(nn.Module):
    """Holds the critic's slope near 1 between data and samples.

    ``weight * E[(||grad D(x')|| - 1)^2]`` with ``x' = e x + (1 - e) G(z)`` and one
    e of [0, 1) for each pair (Gulrajani et al. 2017, arXiv 1704.00028, eq. 3).

    Args:
        weight: lambda of the paper.
    """

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(
        self, critic: nn.Module, real: Tensor, fake: Tensor, *labels: Tensor
    ) -> Tensor:
        """The penalty of a batch.

        Args:
            critic: Gives a score for each datum.
            real: (B, ...) data.
            fake: (B, ...) samples.
            *labels: What else the critic is given.
        """
        shares = draw(len(real), *[1] * (real.dim() - 1), like=real, latent=(0, 1))
        between = torch.lerp(fake.detach(), real, shares.to(real)).requires_grad_()
        # a slope needs all digits, also where the rest is computed in half of them
        with torch.autocast(real.device.type, enabled=False):
            scores = critic(between, *labels)
            (slopes,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
            norms = slopes.flatten(1).norm(dim=1)
        return self.weight * (norms - 1).square().mean()
