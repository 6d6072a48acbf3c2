"""Which detection finds which ground truth, by COCO's rules.

Legend: D detections, G ground truths, P pairs of them that overlap, K classes, R = 101
recalls. Boxes are xywh in pixels of the image file.

The rules are those of ``COCOeval.evaluateImg`` of pycocotools, and the results are the
same: of an image and a class the 100 detections of the highest scores count, and in
the order of their scores each takes, of the ground truths that are not taken, the one
of the greatest IoU, one that counts before one that is ignored. pycocotools walks over
images, classes, areas and thresholds; here all images and classes go at once. One
thing is other: an annotation of the id 0, which pycocotools takes for none, is found.
"""

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

ALL_AREAS = (0.0, 1e10)  # pixels squared, pycocotools' range 'all'
MAX_DETS = 100  # of an image and a class
LEAST_IOU = 0.1  # of the pairs that are kept
RECALLS = np.linspace(0, 1, 101)
IOU_THRS = tuple(np.linspace(0.5, 0.95, 10).round(2).tolist())
CHUNK = 1 << 19  # pairs whose IoU is computed at once


class _Rows:
    """Arrays of equal length."""

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index) -> Any:
        return type(self)(*(getattr(self, f.name)[index] for f in fields(self)))


@dataclass
class Detections(_Rows):
    """Detections of all images.

    Args:
        image: (D, ) index of the image, in the ascending order of the ids.
        label: (D, ) int in [0, K).
        bboxes: (D, 4) xywh, finite.
        score: (D, ) finite.
    """

    image: np.ndarray
    label: np.ndarray
    bboxes: np.ndarray
    score: np.ndarray

    def ranked(self, max_dets: int = MAX_DETS) -> 'Detections':
        """Those that count, so many of an image and a class, by descending score.

        Of equal scores the earlier image goes first, in an image the earlier row.
        """
        rows = self[np.lexsort((self.image, -self.score))]
        group = _pair_ids(rows.image, rows.label)
        return rows[_rank_in_group(group) < max_dets]


@dataclass
class GroundTruths(_Rows):
    """Ground truths of all images.

    Args:
        image: (G, ) index of the image.
        label: (G, ) int in [0, K).
        bboxes: (G, 4) xywh.
        area: (G, ) in pixels squared, as annotated.
        crowd: (G, ) bool; a crowd is ignored, and found by any number of detections.
    """

    image: np.ndarray
    label: np.ndarray
    bboxes: np.ndarray
    area: np.ndarray
    crowd: np.ndarray

    @classmethod
    def of_coco(
        cls, annotations: list[dict], img_ids: list, cat_ids: list
    ) -> 'GroundTruths':
        """Annotations of a COCO file that are of these images and categories.

        Args:
            annotations: With 'area' and 'iscrowd'.
            img_ids: In the order that the images are counted in.
            cat_ids: By label.
        """
        images = {img_id: i for i, img_id in enumerate(img_ids)}
        labels = {cat_id: i for i, cat_id in enumerate(cat_ids)}
        anns = [
            ann
            for ann in annotations
            if ann['image_id'] in images and ann['category_id'] in labels
        ]
        return cls(
            np.array([images[ann['image_id']] for ann in anns], np.int64),
            np.array([labels[ann['category_id']] for ann in anns], np.int64),
            np.array([ann['bbox'] for ann in anns], np.float64).reshape(-1, 4),
            np.array([ann['area'] for ann in anns], np.float64),
            np.array([bool(ann['iscrowd']) for ann in anns], bool),
        )


@dataclass
class Match:
    """Which detection has found what.

    Args:
        gt: (D, ) index of the ground truth, -1 for none.
        ignored: (D, ) bool, neither right nor wrong: on an ignored ground truth, or on
            none and of an area out of range.
        gt_ignored: (G, ) bool, crowds and those of an area out of range.
    """

    gt: np.ndarray
    ignored: np.ndarray
    gt_ignored: np.ndarray

    @property
    def hit(self) -> np.ndarray:
        """(D, ) bool, true positives."""
        return (self.gt >= 0) & ~self.ignored

    @property
    def miss(self) -> np.ndarray:
        """(D, ) bool, false positives."""
        return (self.gt < 0) & ~self.ignored

    @property
    def gt_found(self) -> np.ndarray:
        """(G, ) bool."""
        found = np.zeros(len(self.gt_ignored), bool)
        found[self.gt[self.gt >= 0]] = True
        return found


class Matching:
    """The overlaps of detections and ground truths, and who finds whom by them.

    Args:
        detections: Of any order.
        truths: In the order of the file.
        max_dets: Detections of an image and a class that count.

    Attributes:
        detections: By descending score, those that count: the D of all results.
        truths: As given.
        det: (P, ) indices of the detections of pairs with an IoU of ``LEAST_IOU``
            at least, in one image.
        gt: (P, ) indices of their ground truths.
        iou: (P, ); of a crowd the share of the detection that lies in it.
        same: (P, ) bool, whether they are of one class.
    """

    def __init__(
        self,
        detections: Detections,
        truths: GroundTruths,
        max_dets: int = MAX_DETS,
    ) -> None:
        self.detections = detections.ranked(max_dets)
        self.truths = truths
        self.det, self.gt, self.iou = self._pairs()
        self.same = self.detections.label[self.det] == truths.label[self.gt]

    def match(
        self,
        iou_thr: float = 0.5,
        area: tuple[float, float] = ALL_AREAS,
        by_class: bool = True,
    ) -> Match:
        """Let the detections take ground truths, the highest score first.

        Args:
            iou_thr: Least IoU, ``LEAST_IOU`` or more.
            area: Least and greatest area of what counts, in pixels squared.
            by_class: Whether a detection finds those of its class alone.
        """
        dets, gts = self.detections, self.truths
        gt_ignored = gts.crowd | (gts.area < area[0]) | (gts.area > area[1])
        keep = self.iou >= min(iou_thr, 1 - 1e-10)  # as pycocotools
        if by_class:
            keep &= self.same
        det, gt, iou = self.det[keep], self.gt[keep], self.iou[keep]
        # what goes at once must not meet: the n-th detections of all images
        some, position = np.unique(det, return_inverse=True)
        group = dets.image[some]
        if by_class:
            group = _pair_ids(group, dets.label[some])
        turn = _rank_in_group(group)[position]
        # the last of a detection that is free is its best
        order = np.lexsort((gt, iou, ~gt_ignored[gt], turn))
        det, gt, turn = det[order], gt[order], turn[order]
        num_turns = turn[-1] + 1 if len(turn) else 0
        found = np.full(len(dets), -1)
        taken = np.zeros(len(gts), bool)
        bounds = np.searchsorted(turn, np.arange(num_turns + 1))
        for start, end in pairwise(bounds):
            free = ~taken[gt[start:end]]
            d = det[start:end][free]
            found[d] = gt[start:end][free]
            taken[found[d]] = ~gts.crowd[found[d]]
        det_area = dets.bboxes[:, 2] * dets.bboxes[:, 3]
        out_of_range = (det_area < area[0]) | (det_area > area[1])
        # of an empty array there is no row 0
        on_ignored = np.zeros(len(dets), bool)
        on_ignored[found >= 0] = gt_ignored[found[found >= 0]]
        return Match(found, np.where(found >= 0, on_ignored, out_of_range), gt_ignored)

    def best(self, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each detection the ground truth of the greatest IoU.

        Args:
            among: (P, ) bool, the pairs to choose from.

        Returns:
            tuple: (D, ) ground truth, -1 for none, and (D, ) IoU, 0 for none.
        """
        det, gt, iou = self.det[among], self.gt[among], self.iou[among]
        order = np.argsort(iou, kind='stable')
        best_gt = np.full(len(self.detections), -1)
        best_iou = np.zeros(len(self.detections))
        best_gt[det[order]] = gt[order]  # the last one stays
        best_iou[det[order]] = iou[order]
        return best_gt, best_iou

    def _pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Detections and ground truths in one image, and their IoU."""
        dets, gts = self.detections, self.truths
        by_image = np.argsort(gts.image, kind='stable')
        gt_image = gts.image[by_image]
        start = np.searchsorted(gt_image, dets.image, 'left')
        count = np.searchsorted(gt_image, dets.image, 'right') - start
        ends = np.cumsum(count)
        parts = []
        first = 0
        while first < len(dets):
            before = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, before + CHUNK, 'right')))
            num = count[first:last]
            det = np.repeat(np.arange(first, last), num)
            # 0, 1, ... of each detection
            offset = np.arange(len(det)) - np.repeat(np.cumsum(num) - num, num)
            gt = by_image[start[det] + offset]
            iou = pair_ious(dets.bboxes[det], gts.bboxes[gt], gts.crowd[gt])
            near = iou >= LEAST_IOU
            parts.append((det[near], gt[near], iou[near]))
            first = last
        if not parts:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def precision_at_recalls(
    label: np.ndarray, hit: np.ndarray, num_gts: np.ndarray
) -> np.ndarray:
    """Precision at 101 recalls, as ``COCOeval.accumulate`` of pycocotools.

    Args:
        label: (D, ) of the detections that are not ignored, by descending score.
        hit: (D, ) bool, the true positives.
        num_gts: (K, ) ground truths that count.

    Returns:
        np.ndarray: (R, K), its mean over R the AP; -1 of a class without ground truth.
    """
    precision = np.full((len(RECALLS), len(num_gts)), -1.0)
    by_class = np.argsort(label, kind='stable')
    bounds = np.searchsorted(label[by_class], np.arange(len(num_gts) + 1))
    for k, (start, end) in enumerate(pairwise(bounds)):
        if num_gts[k] == 0:
            continue
        hits = hit[by_class[start:end]]
        tp = np.cumsum(hits).astype(float)
        fp = np.cumsum(~hits).astype(float)
        value = tp / (fp + tp + np.spacing(1))
        value = np.maximum.accumulate(value[::-1])[::-1]
        at = np.searchsorted(tp / num_gts[k], RECALLS, side='left')
        precision[:, k] = np.append(value, 0.0)[at]
    return precision


def mean_precision(precision: np.ndarray) -> float | None:
    """Mean of what is not -1; None if there is none."""
    values = precision[precision > -1]
    return float(values.mean()) if values.size else None


def pair_ious(dets: np.ndarray, gts: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """(P, ) IoU of P pairs of xywh boxes, in the order of operations of pycocotools'
    ``bbIou``; of a crowd the intersection over the detection."""
    low = np.maximum(dets[:, :2], gts[:, :2])
    high = np.minimum(dets[:, :2] + dets[:, 2:], gts[:, :2] + gts[:, 2:])
    size = high - low
    met = (size > 0).all(1)
    inter = size[:, 0] * size[:, 1]
    det_area = dets[:, 2] * dets[:, 3]
    union = np.where(crowd, det_area, det_area + gts[:, 2] * gts[:, 3] - inter)
    return np.divide(inter, union, out=np.zeros(len(dets)), where=met)


def _pair_ids(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """A number for each pair of an image and a label."""
    return image * (label.max(initial=0) + 1) + label


def _rank_in_group(group: np.ndarray) -> np.ndarray:
    """How many rows before each one are of its group."""
    order = np.argsort(group, kind='stable')
    ordered = group[order]
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered, 'left')
    return rank
