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
        self.classes = meta['dataset_meta'].get('classes', ())
        self.cat_ids = meta.get('cat_ids') or ()
        self.score_thr = score_thr

    def names(self, num_classes: int) -> list[str]:
        """Names of classes; a label for what the checkpoint has no name of."""
        labels = range(len(self.classes), num_classes)
        return [*self.classes, *map(str, labels)]

    def draw(self, image: np.ndarray, sample) -> np.ndarray:
        pred = sample.pred_instances
        return draw_detections(
            image,
            pred.bboxes.numpy(),
            pred.labels.numpy(),
            pred.scores.numpy(),
            self.names(_num_classes(pred)),
            score_thr=self.score_thr,
        )

    def rows_of(self, sample, index: int, file_name: str) -> list[dict]:
        pred = sample.pred_instances
        names = self.names(_num_classes(pred))
        ids = [*self.cat_ids, *range(len(self.cat_ids), len(names))]
        return [
            dict(
                image_id=index,
                category_id=ids[label],
                bbox=[x1, y1, x2 - x1, y2 - y1],
                score=score,
                file_name=file_name,
                category=names[label],
            )
            for (x1, y1, x2, y2), label, score in zip(
                pred.bboxes.tolist(),
                pred.labels.tolist(),
                pred.scores.tolist(),
                strict=True,
            )
        ]

    def summary(self, rows: list[dict]) -> str:
        drawn = sum(r['score'] >= self.score_thr for r in rows)
        return f'{drawn} detections with score >= {self.score_thr:g}'


def _num_classes(pred) -> int:
    """As many as the labels of detections need names."""
    return int(pred.labels.max()) + 1 if len(pred.labels) else 0
