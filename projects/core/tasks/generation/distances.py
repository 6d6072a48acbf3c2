"""How two sets of samples differ, by what a network sees in them.

Legend: N samples, D size of a feature, K classes.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

#: beyond it the kernel distance is the mean over random subsets, as published
MAX_KERNEL = 3000
SUBSETS, SUBSET_SIZE = 100, 1000


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Squared Frechet distance of two Gaussians, with the mean and the covariance of
    each of two sets (Heusel et al. 2017, arXiv 1706.08500, Eq. 6)::

        |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))

    Args:
        real: (N, D), 2 rows at least.
        fake: (M, D), 2 rows at least.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    real, fake = _centred(real, fake)
    with _alone():
        metric = FrechetInceptionDistance(_Given(real.shape[1]), sync_on_compute=False)
        metric.update(real, real=True)
        metric.update(fake, real=False)
        return max(float(metric.compute()), 0.0)  # rounding


def frechet_of_halves(
    real: Tensor, fake: Tensor, splits: int = 5, seed: int = 0
) -> tuple[float, float]:
    """Frechet distance of two halves of the real data, and that of as many samples.

    An estimate from N samples is too large, by about 1 / N: two sets of one and the
    same distribution are never at distance 0. So a distance can be compared with that
    of two halves only where it is one between as many.

    Args:
        real: (N, D), 4 rows at least.
        fake: (M, D), 2 rows at least.
        splits: Ways of halving, drawn at random, over which both are averaged.
        seed: Of the draws.

    Returns:
        tuple: The distance of a half to the other one (the floor), and to as many
        of ``fake``. Where these are fewer than a half, all three are as few.
    """
    num = min(len(real) // 2, len(fake))
    floors, distances = [], []
    for split in range(splits):
        rng = torch.Generator().manual_seed(seed + split)
        order = torch.randperm(len(real), generator=rng)
        half, other = real[order[:num]], real[order[num : 2 * num]]
        shown = fake[torch.randperm(len(fake), generator=rng)[:num]]
        floors.append(frechet_distance(half, other))
        distances.append(frechet_distance(half, shown))
    return sum(floors) / splits, sum(distances) / splits


def kernel_distance(real: Tensor, fake: Tensor, seed: int = 0) -> float:
    """Squared maximum mean discrepancy with the kernel (x.y / D + 1)^3 (Binkowski et
    al. 2018, arXiv 1801.01401, Sec. 4), an estimate without bias: around 0, also
    below, where the two sets are of one distribution.

    Of up to ``MAX_KERNEL`` samples all are compared with all. Of more it is the mean
    over ``SUBSETS`` random subsets of ``SUBSET_SIZE``, as in the paper.

    Args:
        real: (N, D), 2 rows at least.
        fake: (M, D), 2 rows at least. Of the larger set only as many count as the
            smaller has.
        seed: Of the subsets.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    num = min(len(real), len(fake))
    subsets, size = (1, num) if num <= MAX_KERNEL else (SUBSETS, SUBSET_SIZE)
    with _alone(seed):
        metric = KernelInceptionDistance(
            _Given(real.shape[1]),
            subsets=subsets,
            subset_size=size,
            sync_on_compute=False,
        )
        metric.update(real.double(), real=True)
        metric.update(fake.double(), real=False)
        return float(metric.compute()[0])


def inception_score(logits: Tensor) -> float:
    """exp of the mean KL divergence of each sample's classes to those of all
    (Salimans et al. 2016, arXiv 1606.03498, Sec. 4): from 1 to K. All samples are one
    group, where the paper averages over ten.

    Args:
        logits: (N, K).
    """
    from torchmetrics.image.inception import InceptionScore

    with _alone():
        metric = InceptionScore(
            _Given(logits.shape[1]), splits=1, sync_on_compute=False
        )
        # a probability of 0, to which it has no answer, becomes one of e^-100
        metric.update(logits.double().log_softmax(1).clamp_min(-100))
        return float(metric.compute()[0])


class _Given(nn.Module):
    """Stands for the network: features are there already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def _centred(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """In float64, around 0: covariances are differences of squares."""
    real, fake = real.double(), fake.double()
    mean = real.mean(0)
    return real - mean, fake - mean


@contextmanager
def _alone(seed: int = 0) -> Iterator[None]:
    """Without a trace in torch's random numbers, on which torchmetrics draws, and
    without its remarks on memory."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.default_generator.manual_seed(seed)
        yield
