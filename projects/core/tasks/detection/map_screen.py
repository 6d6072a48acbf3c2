"""How well boxes fit, on a few images and quickly: to try many ways to read them.

Legend: D detections, G ground truths, P pairs of both in one image.
"""

import numpy as np

from projects.core.tasks.detection.map_case import Case
from projects.core.tasks.detection.matching import Detections, pair_ious

SCREENED = 48  # images
PER_IMAGE = 60  # detections of an image


def both_ends(image: np.ndarray, score: np.ndarray, num: int) -> np.ndarray:
    """Rows of at most so many detections of each image, image by image: those of the
    highest scores, and of the lowest, which are the best if they are reversed."""
    rows = np.lexsort((-score, image))
    image = image[rows]
    start = np.searchsorted(image, image, 'left')
    rank = np.arange(len(rows)) - start
    count = np.searchsorted(image, image, 'right') - start
    return rows[(rank < num // 2) | (rank >= count - num // 2)]


class Screen:
    """How well boxes fit a few images, regardless of class and score."""

    def __init__(self, case: Case, dets: Detections) -> None:
        part = case.part(SCREENED)
        gts = part.truths[~part.truths.crowd]
        self.gts = gts[np.argsort(gts.image, kind='stable')]
        there = np.zeros(len(case.sizes) + 1, bool)  # the last for -1
        there[self.gts.image] = True
        rows = np.flatnonzero(there[dets.image])
        some = both_ends(dets.image[rows], dets.score[rows], PER_IMAGE)
        self.rows, self.image = rows[some], dets.image[rows[some]]
        first = np.searchsorted(self.image, self.gts.image, 'left')
        num = np.searchsorted(self.image, self.gts.image, 'right') - first
        self.gt = np.repeat(np.arange(len(self.gts)), num)  # ascending
        offset = np.arange(len(self.gt)) - np.repeat(np.cumsum(num) - num, num)
        self.det = first[self.gt] + offset

    def fit(self, boxes: np.ndarray) -> float:
        """Mean over the ground truths of the best IoU, from 0 at 0.5 to 1 at 1."""
        if not len(self.gt):
            return 0.0
        iou = pair_ious(
            boxes[self.det], self.gts.bboxes[self.gt], np.zeros(len(self.gt), bool)
        )
        start = np.flatnonzero(np.diff(self.gt, prepend=-1))
        best = np.maximum.reduceat(iou, start)
        return float(np.clip(2 * best - 1, 0, None).sum() / len(self.gts))
