"""How far the confidence of predictions holds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from projects.core.reports.blocks import Point


@dataclass
class Calibration:
    """Confidence against the share of predictions that are right, in bins.

    After Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Sec. 2,
    https://arxiv.org/abs/1706.04599.

    Args:
        counts: (bins,) predictions by their confidence.
        scores: (bins,) sums of their confidence.
        hits: (bins,) those that are right.
    """

    counts: np.ndarray
    scores: np.ndarray
    hits: np.ndarray

    @classmethod
    def of(
        cls, bins: np.ndarray, num_bins: int, scores: np.ndarray, hits: np.ndarray
    ) -> 'Calibration':
        """Of (N,) predictions: their bins, their confidence, and which are right."""
        return cls(*(np.bincount(bins, w, num_bins) for w in (None, scores, hits)))

    @property
    def score(self) -> np.ndarray:
        """(bins,) mean confidence, NaN of an empty one."""
        return self.scores / self._some

    @property
    def precision(self) -> np.ndarray:
        """(bins,) share that is right, NaN of an empty one."""
        return self.hits / self._some

    @property
    def _some(self) -> np.ndarray:
        return np.where(self.counts, self.counts, np.nan)

    @property
    def error(self) -> float:
        """Expected calibration error (Eq. 3): mean distance of the two over the
        predictions; NaN without any."""
        num = self.counts.sum()
        return float(np.abs(self.scores - self.hits).sum() / num) if num else np.nan

    def points(self, name_of: Callable[[int, int], str]) -> list[Point]:
        """Precision by confidence.

        Args:
            name_of: Names a bin by its index and its number of predictions.
        """
        return [
            Point(name_of(i, int(count)), float(score), float(precision))
            for i, (count, score, precision) in enumerate(
                zip(self.counts, self.score, self.precision, strict=True)
            )
            if count
        ]
