"""What ``tools/infer.py`` makes of a classifier's output."""

from collections import Counter

import numpy as np

from projects.core.errors import listed
from projects.core.tasks.classification.pictures import draw_labels
from projects.core.tasks.classification.report import best_classes, class_names
from projects.core.tasks.images import ImageResults


class LabelResults(ImageResults):
    """``predictions.json`` holds the five best classes of each image.

    Args:
        meta: Of the checkpoint.
    """

    name = 'predictions'

    def __init__(self, meta: dict) -> None:
        self.meta = meta.get('dataset_meta')

    def draw(self, image: np.ndarray, sample) -> np.ndarray:
        return draw_labels(image, self._best(sample))

    def rows_of(self, sample, index: int, file_name: str) -> list[dict]:
        return [dict(file_name=file_name, predictions=self._best(sample))]

    def _best(self, sample) -> list[dict]:
        scores = sample.pred_score
        return best_classes(scores, class_names(self.meta, len(scores)))

    def summary(self, rows: list[dict]) -> str:
        if len(rows) == 1:
            return ', '.join(
                f'{p["class"]} {100 * p["score"]:.1f} %' for p in rows[0]['predictions']
            )
        counts = Counter(r['predictions'][0]['class'] for r in rows)
        return 'classified as ' + listed(
            (f'{name} ({count})' for name, count in counts.most_common()), 10
        )
