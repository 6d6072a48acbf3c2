"""What a classifier made of each image, as arrays.

Legend: N images, K classes, k <= 5 best classes of an image; labels in [0, K).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from projects.core.tasks.calibration import Calibration

NUM_BEST = 5  # classes that are kept of each image
# up to so many classes all scores are kept: 20 MB of 50,000 images
MAX_SCORED = 100
NUM_BINS = 15  # of the confidence, as Guo et al.


@dataclass
class Outcome:
    """All images of an evaluation.

    Args:
        true: (N, ) labels.
        labels: (N, k), the best class first.
        values: (N, k) their scores.
        scores: (N, K) all scores; None of more than ``MAX_SCORED`` classes.
        images: N dicts with ``index`` in the data set and ``file_name``, as far as an
            image has them.
        classes: Names of the K classes.
        unit: What the images are called; those of another kind have no pictures.
    """

    true: np.ndarray
    labels: np.ndarray
    values: np.ndarray
    scores: np.ndarray | None
    images: list[dict]
    classes: list[str]
    unit: str = 'images'

    @cached_property
    def right(self) -> np.ndarray:
        """(N, ) bool: the best class is the true one."""
        return self.labels[:, 0] == self.true

    @cached_property
    def confidence(self) -> np.ndarray:
        """(N, ) scores of the best class, in [0, 1]."""
        return self.values[:, 0].clip(0, 1)

    @cached_property
    def by_confidence(self) -> np.ndarray:
        """(N, ) indices of the images, the surest first."""
        return np.argsort(-self.confidence, kind='stable')

    def surest(self, right: bool, num: int) -> list[int]:
        """The images of the highest confidence among the right or the wrong ones."""
        order = self.by_confidence
        return order[self.right[order] == right][:num].tolist()

    @property
    def confusion(self) -> np.ndarray:
        """(K, K) number of images by true and by predicted label."""
        return self.confusion_of(range(len(self.classes)))

    def confusion_of(self, labels: Sequence[int]) -> np.ndarray:
        """The part of :attr:`confusion` that these labels are in, L: (L, L)."""
        from sklearn.metrics import confusion_matrix  # not at a training's start

        return confusion_matrix(self.true, self.labels[:, 0], labels=list(labels))

    def confused_pairs(self) -> list[tuple[int, int, int]]:
        """Number of images, true and predicted label of each confusion, the most
        frequent first; without a matrix of (K, K)."""
        pairs, counts = np.unique(
            np.stack([self.true, self.labels[:, 0]])[:, ~self.right],
            axis=1,
            return_counts=True,
        )
        order = np.argsort(-counts, kind='stable')
        columns = (counts[order].tolist(), *pairs[:, order].tolist())
        return list(zip(*columns, strict=True))

    def class_scores(self) -> np.ndarray:
        """(K, 4), see :func:`scores_of_classes`."""
        return scores_of_classes(self.true, self.labels[:, 0], len(self.classes))

    def accuracies(self) -> list[float]:
        """Share of the images whose class is among the first 1, 2, ... k, in %; of k
        below K."""
        among = (self.labels == self.true[:, None]).cumsum(1).mean(0)
        return (100 * among[: max(1, len(self.classes) - 1)]).tolist()

    def average_precisions(self) -> list[float | None]:
        """Area under the precision-recall curve of each class against the others, in
        %; None for a class without images, or where not all scores are known."""
        from sklearn.metrics import average_precision_score

        found: list[float | None] = [None] * len(self.classes)
        if self.scores is None:
            return found
        labels = np.unique(self.true)
        values = average_precision_score(
            self.true[:, None] == labels, self.scores[:, labels], average=None
        )
        for label, value in zip(labels.tolist(), np.atleast_1d(values), strict=True):
            found[label] = 100 * float(value)
        return found

    def described(self, i: int) -> dict:
        """Image ``i`` in words: its index or file, its class, its best classes."""
        best = zip(self.labels[i].tolist(), self.values[i].tolist(), strict=True)
        label = int(self.true[i])
        return {
            **self.images[i],
            'true_label': label,
            'true_class': self.classes[label],
            'predictions': [
                {'label': label, 'class': self.classes[label], 'score': value}
                for label, value in best
            ],
        }


def scores_of_classes(
    true: np.ndarray,
    predicted: np.ndarray,
    num_classes: int,
) -> np.ndarray:
    """Precision, recall, F1 in % and support of each class.

    Precision is NaN for a class that is never predicted, recall for one
    without images, F1 for one that is neither.

    Args:
        true: (N, ) labels.
        predicted: The same.
        num_classes: K.

    Returns:
        np.ndarray: (K, 4).
    """
    from sklearn.metrics import precision_recall_fscore_support

    scores = precision_recall_fscore_support(
        true,
        predicted,
        labels=np.arange(num_classes),
        zero_division=np.nan,
    )
    return np.stack(scores, 1) * (100, 100, 100, 1)


def calibration(outcome: Outcome) -> Calibration:
    """In ``NUM_BINS`` bins of equal width, each with its upper edge."""
    bins = np.ceil(outcome.confidence * NUM_BINS).astype(int) - 1
    bins = bins.clip(0, NUM_BINS - 1)
    return Calibration.of(bins, NUM_BINS, outcome.confidence, outcome.right)


def accuracy_of_the_surest(outcome: Outcome) -> np.ndarray:
    """(N, ) accuracy of the 1, 2, ... N images of the highest confidence, in [0, 1].

    One minus that is the risk of the risk-coverage curve (Geifman and El-Yaniv,
    "Selective Classification for Deep Neural Networks", NeurIPS 2017, Sec. 2,
    https://arxiv.org/abs/1705.08500).
    """
    right = outcome.right[outcome.by_confidence]
    return right.cumsum() / np.arange(1, len(right) + 1)
