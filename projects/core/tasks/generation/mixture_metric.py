"""How well points are those of a mixture of Gaussians that is known.

Legend: N points, K modes.
"""

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.special import rel_entr

from projects.core.errors import UserError
from projects.core.reports.blocks import Block, Section
from projects.core.tasks.generation.sections import mode_blocks
from projects.registry import METRICS


def occupancy(
    points: np.ndarray, centres: np.ndarray, std: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points by modes: all of them at the nearest centre, and the good ones.

    A point is good where it is within three standard deviations of a centre.

    Args:
        points: (N, 2).
        centres: (K, 2).
        std: Of a Gaussian.

    Returns:
        tuple: (K,) counts of all points, (K,) counts of the good ones.
    """
    distances = cdist(points, centres)
    nearest = distances.argmin(1)
    good = distances.min(1) <= 3 * std
    return (
        np.bincount(nearest, minlength=len(centres)),
        np.bincount(nearest[good], minlength=len(centres)),
    )


def divergences(counts: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """KL(found || true) and the Jensen-Shannon divergence, in nats.

    Args:
        counts: (K,) points of each mode, at least one in all.
        weights: (K,) of the truth, above 0, of sum 1.
    """
    found = counts / counts.sum()
    return float(rel_entr(found, weights).sum()), jensen_shannon(found, weights)


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Of two distributions on the same places, in nats."""
    middle = (p + q) / 2
    return float(rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2


def wasserstein(first: np.ndarray, second: np.ndarray) -> float:
    """Earth mover's distance between two sets of as many points, (N, 2) each: the
    least mean of Euclidean distances of all ways to pair them."""
    costs = cdist(first, second)
    return float(costs[linear_sum_assignment(costs)].mean())


@METRICS.register_module()
class MixtureMetric(BaseMetric):
    """How well points that were made are those of a mixture that is known.

    =====================  ==========================================================
    ``modes``              modes that are found: the good points of a mode are at
                           least ``min_share`` of what is due to it, and one at least
    ``good_samples``       points within three standard deviations of a centre, in %;
                           98.9 of the mixture's own
    ``kl``                 KL divergence, in nats, of the distribution over modes of
                           what was made to the true one
    ``js``                 Jensen-Shannon divergence of the two, in nats
    ``wasserstein``        earth mover's distance to real points, in the unit of the
                           data
    ``wasserstein_floor``  the same between two sets of real points
    =====================  ==========================================================

    For the divergences each point counts for the mode of the nearest centre, good or
    not (Lin et al., "PacGAN", NeurIPS 2018, Sec. 4.1): they are finite for anything,
    and say nothing of quality. Srivastava et al. ("VEEGAN", NeurIPS 2017, Sec. 4.1)
    count a mode with a single good point, which is ``min_share=0``; noise then finds
    all of them.

    The predictions are those of a generator, see
    :class:`projects.core.tasks.generation.models.GenerativeModel`; the mixture is that
    of the metainfo of the data set, see
    :class:`projects.core.tasks.generation.mixtures.MixtureDataset`.

    Args:
        min_share: Of the points that a mode has in the mixture.
        num_distance: Points of each set for the earth mover's distance, which takes
            time with the cube of it; the floor needs as many again of real ones.
        **kwargs: Of :class:`mmengine.evaluator.BaseMetric`.

    Raises:
        ValueError: If ``min_share`` is no share or ``num_distance`` below 1.
        UserError: If the metainfo of the data set knows no mixture.
    """

    default_prefix = 'mixture'

    def __init__(
        self, min_share: float = 0.1, num_distance: int = 1000, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self._modes: list[Block] = []
        if not 0 <= min_share <= 1:
            raise ValueError(f'min_share {min_share} is not between 0 and 1')
        if num_distance < 1:
            raise ValueError(f'num_distance {num_distance} is not at least 1')
        self.min_share = min_share
        self.num_distance = num_distance

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        self.results += [
            (sample['real'].tolist(), sample['fake'].tolist())
            for sample in data_samples
        ]

    def compute_metrics(self, results: list[tuple]) -> dict[str, float]:
        meta = self.dataset_meta or {}
        if 'centres' not in meta:
            raise UserError(
                'MixtureMetric: the data set knows no centres of a mixture; '
                'projects.MixtureDataset does'
            )
        real, fake = np.array(results).swapaxes(0, 1)  # (2, N, 2)
        weights = np.array(meta['weights'])
        counts, good = occupancy(fake, np.array(meta['centres']), meta['std'])
        self._modes = mode_blocks(np.array(meta['centres']), weights, counts, good)
        due = np.maximum(self.min_share * len(fake) * weights, 1)
        kl, js = divergences(counts, weights)
        num = min(self.num_distance, len(real) // 2)
        return dict(
            modes=int((good >= due).sum()),
            good_samples=float(100 * good.sum() / len(fake)),
            kl=kl,
            js=js,
            wasserstein=wasserstein(real[:num], fake[:num]),
            wasserstein_floor=wasserstein(real[:num], real[num : 2 * num]),
        )

    def sections(self, dataset) -> list[Section]:
        return [Section('Modes', self._modes)] if self._modes else []
