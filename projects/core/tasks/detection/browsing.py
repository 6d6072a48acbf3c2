"""Boxes of an image at each step of its pipeline."""

from typing import Any

import numpy as np
from torch import Tensor

from projects.core.tasks.browsing import Line, Marks
from projects.core.tasks.detection.pictures import draw_boxes
from projects.core.tasks.drawing import COLOURS
from projects.core.tasks.pipeline_trace import Stage

MAX_CLASSES = 4  # named below an image


class BoxMarks(Marks):
    """Objects with their boxes; those that are ignored are left out."""

    unit = 'objects'

    def draw(self, picture: np.ndarray, stage: Stage, factor: float) -> np.ndarray:
        bboxes, labels = objects_of(stage)
        if bboxes is None:
            return picture
        names = [self.name(label) for label in labels]
        return draw_boxes(picture, bboxes, labels, names, factor)

    def lines(self, stage: Stage) -> list[Line]:
        bboxes, labels = objects_of(stage)
        if bboxes is None:
            return []
        kinds, counts = np.unique(labels, return_counts=True)
        order = np.argsort(-counts, kind='stable')[:MAX_CLASSES]
        parts = ', '.join(f'{counts[i]} x {self.name(kinds[i])}' for i in order)
        rest = len(kinds) - len(order)
        more = f', {rest} more classes' if rest else ''
        noun = 'object' if len(bboxes) == 1 else 'objects'
        text = f'{len(bboxes)} {noun}' + (f': {parts}{more}' if parts else '')
        return [(text, COLOURS[-1])]

    def count(self, stage: Stage) -> int | None:
        bboxes, _ = objects_of(stage)
        return None if bboxes is None else len(bboxes)


def objects_of(stage: Stage) -> tuple[np.ndarray | None, np.ndarray]:
    """Boxes (N, 4) xyxy in pixels of the image as it is now, and labels (N,).

    Those that an evaluation loads after a resize are of the image as it was, and are
    scaled here. None where boxes are not known yet.
    """
    results = stage.results
    sample = results.get('data_samples')
    if sample is not None:
        gts = sample.gt_instances
        bboxes, labels = _array(gts.bboxes), _array(gts.labels)
    elif 'gt_bboxes' in results:
        bboxes = _array(results['gt_bboxes'])
        labels = _array(results.get('gt_bboxes_labels', np.zeros(len(bboxes), int)))
        ignored = _array(results.get('gt_ignore_flags', np.zeros(len(bboxes), bool)))
        bboxes, labels = bboxes[~ignored], labels[~ignored]
    elif 'instances' in results:
        bboxes, labels = _as_stored(results)
    else:
        return None, np.zeros(0, int)
    while stage is not None and 'instances' not in stage.results:
        stage = stage.previous
    scale = stage.results.get('scale_factor') if stage is not None else None
    if scale is not None:
        stored, _ = _as_stored(stage.results)
        if stored.shape == bboxes.shape and np.array_equal(stored, bboxes):
            bboxes = bboxes * np.tile(scale, 2)
    return bboxes, labels


def _as_stored(results: dict) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and labels of the data set, in pixels of the image as it was."""
    known = [i for i in results['instances'] if not i.get('ignore_flag')]
    bboxes = np.array([i['bbox'] for i in known], np.float32).reshape(-1, 4)
    return bboxes, np.array([i['bbox_label'] for i in known], int)


def _array(values: Any) -> np.ndarray:
    """Of boxes of mmdet's kind, of a tensor or of an array."""
    values = getattr(values, 'tensor', values)
    return values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
