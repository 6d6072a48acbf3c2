"""What ``tools/infer.py`` makes of a detector's output."""

import numpy as np

from projects.core.tasks.detection.pictures import draw_detections
from projects.core.tasks.images import ImageResults


class DetectionResults(ImageResults):
    """``detections.json`` holds all detections in the COCO results format.

    Each bears the file's name and the class's besides; ``image_id`` counts the
    images by name from 0, ``category_id`` is that of the annotation file trained on.

    Args:
        meta: Of the checkpoint.
        score_thr: Least score that is drawn; all are in the file.
    """

    name = 'detections'

    def __init__(self, meta: dict, score_thr: float) -> None:
        self.classes = meta['dataset_meta']['classes']
        self.cat_ids = meta.get('cat_ids') or list(range(len(self.classes)))
        self.score_thr = score_thr

    def of(
        self, image: np.ndarray, sample, index: int, file_name: str
    ) -> tuple[np.ndarray, list[dict]]:
        pred = sample.pred_instances
        boxes, labels, scores = (
            pred.bboxes.numpy(),
            pred.labels.numpy(),
            pred.scores.numpy(),
        )
        picture = draw_detections(
            image, boxes, labels, scores, self.classes, score_thr=self.score_thr
        )
        return picture, [
            dict(
                image_id=index,
                category_id=int(self.cat_ids[label]),
                bbox=[x1, y1, x2 - x1, y2 - y1],
                score=float(score),
                file_name=file_name,
                category=self.classes[label],
            )
            for (x1, y1, x2, y2), label, score in zip(
                boxes.tolist(), labels, scores, strict=True
            )
        ]

    def summary(self, rows: list[dict]) -> str:
        drawn = sum(r['score'] >= self.score_thr for r in rows)
        return f'{drawn} detections with score >= {self.score_thr:g}'
