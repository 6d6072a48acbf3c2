"""What lowers a mAP and cannot be undone in the results: at most how much it costs.

Legend: D detections, R = 101 recalls, K classes.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from projects.core.errors import listed
from projects.core.tasks.detection.map_case import Case
from projects.core.tasks.detection.matching import (
    IOU_THRS,
    MAX_DETS,
    Detections,
    mean_precision,
)

LEAST_GAIN = 0.01
LOW_SCORE = 0.1  # a threshold up to it is usual
STILL_RIGHT = 0.2  # share of the lowest detections that speaks against a threshold


class Finding(NamedTuple):
    """What may lower the mAP.

    Args:
        fault: What it is.
        change: What to do.
        after: mAP without it, at most.
    """

    fault: str
    change: str
    after: float


def findings(case: Case, dets: Detections, classes: list[str]) -> list[Finding]:
    """Findings that would raise the mAP by ``LEAST_GAIN`` and a tenth.

    Args:
        dets: After all fixes.
        classes: K names.
    """
    known = dets[(dets.image >= 0) & (dets.label >= 0)]
    now = case.mean_ap(known)
    if not len(known) or now < 0:
        return []
    found = [
        *_scores(case, known),
        *_limit(case, known),
        *_images(case, known),
        *_classes(case, known, classes),
    ]
    return [f for f in found if f.after >= now + max(LEAST_GAIN, 0.1 * now)]


def _scores(case: Case, dets: Detections) -> Iterator[Finding]:
    matching = case.matching(dets)
    best_iou = matching.best(matching.same)[1]
    score = matching.detections.score
    low = dets.score.min()
    if len(score) > 1 and low == score.max():
        yield Finding(
            f'all scores are {low:g}, so that the mAP depends on the order of the '
            'detections in the file',
            "write the model's own scores",
            case.mean_ap(replace(matching.detections, score=best_iou)),
        )
        return
    lowest = np.argsort(score)[: max(1, len(score) // 5)]
    share = (best_iou[lowest] >= 0.5).mean()
    if low >= LOW_SCORE and share >= STILL_RIGHT:
        values = []
        for iou_thr in IOU_THRS:
            precision = case.precision(matching, iou_thr)
            positive = np.where(precision > 0, precision, np.inf)
            last = np.minimum.accumulate(positive)[-1]  # (K, )
            cut = (precision == 0) & np.isfinite(last)
            values.append(mean_precision(np.where(cut, last, precision)))
        yield Finding(
            f'no detection has a score below {low:.2g}, and of the fifth with the '
            f'lowest scores {share:.0%} still meet an object: a threshold cuts off '
            'the rest',
            'lower the score threshold (score_thr in model.test_cfg) to 0.01 or less, '
            'as the mAP asks for all detections',
            float(np.mean(values)),
        )


def _limit(case: Case, dets: Detections) -> Iterator[Finding]:
    num = len(dets)
    left_out = num - len(dets.ranked())
    if left_out:
        yield Finding(
            f'{left_out} of {num} detections are over {MAX_DETS} in an image and a '
            'class, and COCO counts those of the highest scores alone',
            'suppress duplicates, or give what is right the higher scores; where '
            f'there are more than {MAX_DETS} objects, COCO cannot count them',
            case.mean_ap(dets, max_dets=num),
        )


def _images(case: Case, dets: Detections) -> Iterator[Finding]:
    images = case.images_with_objects()
    missed = np.setdiff1d(images, dets.image)
    if len(missed):
        there = ~np.isin(case.truths.image, missed)
        yield Finding(
            f'{len(missed)} of {len(images)} images with objects have no detection at '
            'all: they were not predicted, or nothing was above the threshold',
            'predict all images of the annotation file',
            replace(case, truths=case.truths[there]).mean_ap(dets),
        )


def _classes(case: Case, dets: Detections, classes: list[str]) -> Iterator[Finding]:
    there = np.unique(case.truths.label[~case.truths.crowd])
    missed = np.setdiff1d(there, dets.label)
    if len(missed):
        kept = ~np.isin(case.truths.label, missed)
        names = listed(classes[k] for k in missed)
        yield Finding(
            f'{len(missed)} of {len(there)} classes with objects are never detected '
            f'({names})',
            'see whether the model knows these classes and has learnt them',
            replace(case, truths=case.truths[kept]).mean_ap(dets),
        )
