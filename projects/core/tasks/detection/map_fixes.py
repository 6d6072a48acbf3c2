"""Faults of detections that can be undone in the results, each with its fix.

Legend: D detections; boxes are (D, 4) xywh in pixels of the image file when all fixes
are applied.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from projects.core.tasks.detection.box_frames import (
    FAMILIES,
    Form,
    Frame,
    exchange_axes,
)
from projects.core.tasks.detection.matching import (
    Detections,
    GroundTruths,
    Matching,
)

NMS_IOU = 0.6
# by kind, in the order that fixes are applied in: the least gain of mAP that makes one
LEAST_GAIN = {
    'images': 0.01,
    'axes': 0.01,
    'form': 0.01,
    'frame': 0.02,
    'classes': 0.002,
    'scores': 0.01,
    'copies': 0.002,
    'duplicates': 0.02,
}
KINDS = tuple(LEAST_GAIN)
OF_PLACE = KINDS[:4]
UNIT = FAMILIES[1]  # of boxes in [0, 1]


class Fix(NamedTuple):
    """A fault that is undone.

    Args:
        kind: Of ``KINDS``.
        fault: What is wrong.
        change: What to change.
        apply: Function that gives the detections without it; the kinds' order is kept.
        strangeness: How much better than another it must fit, at least.
    """

    kind: str
    fault: str
    change: str
    apply: Callable[[Detections], Detections]
    strangeness: float = 0.0


def fixed(dets: Detections, fixes: list[Fix]) -> Detections:
    """Detections without some faults."""
    for fix in sorted(fixes, key=lambda fix: KINDS.index(fix.kind)):
        dets = fix.apply(dets)
    return dets


AXES = Fix(
    'axes',
    'x and y are exchanged',
    'write x before y, width before height',
    lambda dets: replace(dets, bboxes=exchange_axes(dets.bboxes)),
)
REVERSED = Fix(
    'scores',
    'the scores are reversed: what is right has the lower ones',
    'write a score that is higher for what is surer, not a distance or loss',
    lambda dets: replace(dets, score=dets.score.min() + dets.score.max() - dets.score),
)


def of_form(form: Form) -> Fix:
    return Fix(
        'form',
        form.fault,
        form.change,
        lambda dets: replace(dets, bboxes=form.to_xywh(dets.bboxes)),
    )


def of_frame(frame: Frame) -> Fix:
    return Fix(
        'frame',
        *frame.words,
        lambda dets: replace(dets, bboxes=frame.to_pixels(dets.bboxes, dets.image)),
        frame.strangeness,
    )


def of_unit(sizes: np.ndarray) -> Fix:
    """Of boxes in [0, 1]; sizes: (I, 2) of the images."""
    return of_frame(Frame(UNIT, np.ones(2), *UNIT.units(sizes)))


def _once(dets: Detections) -> Detections:
    rows = np.column_stack([dets.image, dets.label, dets.bboxes, dets.score])
    return dets[np.sort(np.unique(rows, axis=0, return_index=True)[1])]


def _suppressed(dets: Detections) -> Detections:
    """Non-maximum suppression in each class; what is of no image or class goes."""
    dets = dets[(dets.image >= 0) & (dets.label >= 0)].ranked(len(dets))
    themselves = GroundTruths(
        dets.image, dets.label, dets.bboxes, dets.score, np.zeros(len(dets), bool)
    )
    pairs = Matching(dets, themselves, len(dets))
    near = pairs.same & (pairs.iou > NMS_IOU) & (pairs.det < pairs.gt)
    first, second = pairs.det[near], pairs.gt[near]
    order = np.argsort(first, kind='stable')
    kept = np.ones(len(dets), bool)
    for i, j in zip(first[order].tolist(), second[order].tolist(), strict=True):
        if kept[i]:  # by now nothing of a higher score can suppress it
            kept[j] = False
    return dets[kept]


COPIES = Fix(
    'copies',
    'detections stand in the file more than once',
    'write each detection once',
    _once,
)
DUPLICATES = Fix(
    'duplicates',
    'objects are detected many times, as without non-maximum suppression',
    f'apply NMS in each class (nms of model.test_cfg, iou_threshold={NMS_IOU})',
    _suppressed,
)
