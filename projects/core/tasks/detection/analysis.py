"""What matched detections say: scores, curves, confusion, sizes, calibration.

Legend: D detections that are neither right nor wrong left out, by descending score; G
ground truths, K classes, I images. What is undefined is NaN.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from projects.core.tasks.calibration import Calibration
from projects.core.tasks.detection.matching import Detections, GroundTruths, Matching

# pixels, of the square root of the area; COCO's small end at 32, large begin at 96
SIZE_EDGES = (0, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, np.inf)
NUM_BINS = 10  # of scores


@dataclass
class Outcome:
    """An evaluation by COCO's metric, and what it was made of.

    Legend: K classes, I images, T = 10 IoU thresholds, R = 101 recalls.

    Args:
        classes: Names of the K classes.
        img_ids: Of the I images, ascending.
        paths: Files of the images that were predicted, by id; None if unknown.
        detections: All that count.
        truths: Ground truths.
        precision: (T, R, K), -1 of a class without ground truth.
        recall: (T, K), the same.
        score_thr: Least score of the detections that a user would see.
    """

    classes: list[str]
    img_ids: list
    paths: dict
    detections: Detections
    truths: GroundTruths
    precision: np.ndarray
    recall: np.ndarray
    score_thr: float


@dataclass
class Found:
    """What was found at IoU 0.5.

    Args:
        image: (D, ) index of the image.
        label: (D, ) int in [0, K).
        score: (D, ) descending.
        gt: (D, ) index of the ground truth that it finds, -1 for none.
        gt_image: (G, ) of the ground truths that count.
        gt_label: (G, ) of the same.
        gt_area: (G, ) of the same, in pixels squared.
        num_classes: K.
    """

    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    gt: np.ndarray
    gt_image: np.ndarray
    gt_label: np.ndarray
    gt_area: np.ndarray
    num_classes: int

    @classmethod
    def of(cls, matching: Matching, num_classes: int, by_class: bool = True) -> 'Found':
        """See :meth:`projects.core.tasks.detection.matching.Matching.match`."""
        match = matching.match(by_class=by_class)
        dets, gts = matching.detections[~match.ignored], matching.truths
        counted = ~match.gt_ignored
        # among those that count; no row of a ground truth that is ignored is asked for
        position = np.append(np.cumsum(counted) - 1, -1)
        gts = gts[counted]
        return cls(
            dets.image,
            dets.label,
            dets.score,
            position[match.gt[~match.ignored]],
            gts.image,
            gts.label,
            gts.area,
            num_classes,
        )

    @property
    def hit(self) -> np.ndarray:
        """(D, ) bool, true positives; the others are false ones."""
        return self.gt >= 0

    @property
    def num_gts(self) -> np.ndarray:
        """(K, ) ground truths by class."""
        return np.bincount(self.gt_label, minlength=self.num_classes)

    def gt_found(self, score_thr: float) -> np.ndarray:
        """(G, ) bool, whether a detection of this score finds it."""
        found = np.zeros(len(self.gt_label), bool)
        found[self.gt[self.hit & (self.score >= score_thr)]] = True
        return found


@dataclass
class Scores:
    """Precision, recall and F1, each an array, NaN where undefined.

    Precision is undefined without detections; of what has no ground truth all three
    are.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray

    @classmethod
    def of_counts(cls, tp, num_dets, num_gts) -> 'Scores':
        """From true positives, detections and ground truths."""
        tp, num_dets, num_gts = np.broadcast_arrays(
            *(np.asarray(a, float) for a in (tp, num_dets, num_gts))
        )
        there = num_gts > 0

        def ratio(a, b, where):
            return np.divide(a, b, out=np.full(a.shape, np.nan), where=where)

        return cls(
            ratio(tp, num_dets, there & (num_dets > 0)),
            ratio(tp, num_gts, there),
            ratio(2 * tp, num_dets + num_gts, there),
        )


def scores_at(found: Found, score_thr: float) -> Scores:
    """Scores by class of the detections of a least score."""
    keep = found.score >= score_thr
    tp = np.bincount(found.label[keep & found.hit], minlength=found.num_classes)
    num_dets = np.bincount(found.label[keep], minlength=found.num_classes)
    return Scores.of_counts(tp, num_dets, found.num_gts)


def best_scores(found: Found) -> tuple[np.ndarray, Scores]:
    """Scores by class, at the threshold of the class's greatest F1.

    Returns:
        tuple: (K, ) thresholds, the higher of equal ones and NaN where nothing is
        found, and the scores.
    """
    by_class = np.argsort(found.label, kind='stable')
    bounds = np.searchsorted(found.label[by_class], np.arange(found.num_classes + 1))
    num_gts = found.num_gts
    thresholds = np.full(found.num_classes, np.nan)
    tps, nums = np.zeros((2, found.num_classes))
    for k, (start, end) in enumerate(pairwise(bounds)):
        rows = by_class[start:end]
        thresholds[k], tps[k], nums[k] = best_cut(
            found.score[rows], found.hit[rows], num_gts[k]
        )
    return thresholds, Scores.of_counts(tps, nums, num_gts)


def best_cut(
    score: np.ndarray, hit: np.ndarray, num_gts: int
) -> tuple[float, float, float]:
    """The threshold of the greatest F1.

    Args:
        score: (D, ) descending.
        hit: (D, ) bool.
        num_gts: Ground truths.

    Returns:
        tuple: Threshold, true positives and detections at it; NaN, 0 and 0 where
        nothing is found.
    """
    if not hit.any():
        return np.nan, 0, 0
    last = np.append(score[1:] != score[:-1], True)  # equal scores stay together
    tp, num = np.cumsum(hit)[last], np.flatnonzero(last) + 1
    best = np.argmax(2 * tp / (num + num_gts))
    return score[last][best], tp[best], num[best]


def scores_by_threshold(found: Found, thresholds: np.ndarray) -> Scores:
    """Scores of all classes together, at each of (N, ) thresholds."""
    num = np.searchsorted(-found.score, -thresholds, 'right')
    tp = np.append(0, np.cumsum(found.hit))[num]
    return Scores.of_counts(tp, num, len(found.gt_label))


def confusion_matrix(found: Found, score_thr: float) -> np.ndarray:
    """Ground truths by their class and by that of the detection that finds them.

    Args:
        found: Regardless of class.
        score_thr: Least score.

    Returns:
        np.ndarray: (K + 1, K + 1) counts; in the last column what is not found, in
        the last row the detections that find nothing.
    """
    num_classes = found.num_classes
    matrix = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    keep = found.score >= score_thr
    gt_label = np.append(found.gt_label, num_classes)  # of none, -1, the last
    np.add.at(matrix, (gt_label[found.gt[keep]], found.label[keep]), 1)
    missed = found.gt_label[~found.gt_found(score_thr)]
    np.add.at(matrix, (missed, num_classes), 1)
    return matrix


def recall_by_size(
    found: Found, score_thr: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall between the ``SIZE_EDGES``, each lower one of which belongs to its bin.

    Returns:
        tuple: (bins, ) ground truths, recall of all detections, and of those of the
        least score.
    """
    bins = np.digitize(np.sqrt(found.gt_area), SIZE_EDGES[1:-1])
    num_bins = len(SIZE_EDGES) - 1
    counts = np.bincount(bins, minlength=num_bins)
    recalls = [
        Scores.of_counts(
            np.bincount(bins[found.gt_found(thr)], minlength=num_bins), 0, counts
        ).recall
        for thr in (-np.inf, score_thr)
    ]
    return counts, *recalls


def calibration(found: Found, score_thr: float = 0.0) -> Calibration:
    """Whether of the detections of score s a share of s is right.

    The error is the D-ECE of Küppers et al., "Multivariate Confidence Calibration for
    Object Detection", CVPR Workshops 2020, with the score as the only variable: the
    bins' distances of precision and mean score, weighted by their detections.

    Args:
        found: Of each class by itself.
        score_thr: Least score.
    """
    keep = found.score >= score_thr
    score = found.score[keep]
    bins = np.clip((score * NUM_BINS).astype(int), 0, NUM_BINS - 1)
    return Calibration.of(bins, NUM_BINS, score, found.hit[keep])


@dataclass
class ImageScores:
    """What was found on each image, (I, ) each.

    Args:
        found: Ground truths that are found.
        num_gts: Ground truths.
        wrong: Detections that find none.
    """

    found: np.ndarray
    num_gts: np.ndarray
    wrong: np.ndarray

    @property
    def weighted_f1(self) -> np.ndarray:
        """F1 with one detection found and one not, added to each image: of two
        without mistake that with more objects is the better, of two without a hit
        that with more mistakes is the worse. NaN where there is nothing."""
        total = self.found + self.wrong + self.num_gts  # 2 TP + FP + FN
        return np.where(total > 0, (2 * self.found + 1) / (total + 2), np.nan)


def image_scores(found: Found, score_thr: float, num_images: int) -> ImageScores:
    """What detections of a least score find on each image."""
    keep = found.score >= score_thr
    return ImageScores(
        np.bincount(found.image[keep & found.hit], minlength=num_images),
        np.bincount(found.gt_image, minlength=num_images),
        np.bincount(found.image[keep & ~found.hit], minlength=num_images),
    )
