"""What a classifier's test tells beyond its accuracy: which classes fail.

Legend: N images, K classes; labels in [0, K).
"""

import csv
import io
import json
import os.path as osp
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from terminaltables import AsciiTable
from torch import Tensor

from projects.core.files import write_text
from projects.core.reports.blocks import Section
from projects.core.tasks.classification.outcome import (
    MAX_SCORED,
    NUM_BEST,
    Outcome,
)
from projects.registry import METRICS

ALL_ROWS = 20  # of the table on the screen
SOME_ROWS = 10  # best and worst of more classes
COLUMNS = ('precision', 'recall', 'F1')


def best_classes(scores: Tensor, classes: Sequence[str], num: int = 5) -> list[dict]:
    """The classes of the highest scores, the best first.

    Args:
        scores: (K, ) probabilities.
        classes: Names of the K classes.
        num: How many, at most.

    Returns:
        list: Dicts of ``label``, ``class`` and ``score``.
    """
    values, labels = scores.float().cpu().topk(min(num, len(scores)))
    return [
        {'label': label, 'class': classes[label], 'score': value}
        for label, value in zip(labels.tolist(), values.tolist(), strict=True)
    ]


def class_names(meta: dict | None, num_classes: int) -> list[str]:
    """A dataset's names of its classes, or their labels where it has none."""
    names = list((meta or {}).get('classes') or ())
    return names + [str(label) for label in range(len(names), num_classes)]


@METRICS.register_module()
class ClassificationReport(BaseMetric):
    """Tables and pictures of which classes are taken for which, and how surely.

    Adds no number to the metrics. Of 50,000 images of 1,000 classes it holds 30 MB:
    the five best classes of each; up to
    :data:`~projects.core.tasks.classification.outcome.MAX_SCORED` classes all scores.

    Given ``out_dir`` it logs a table of the classes and writes there:

    ========================  ===============================================
    ``classes.csv``           precision, recall, F1 in %, support, by class
    ``confusion_matrix.csv``  images by true (rows) and predicted class
    ``confusion_matrix.png``  the same as a picture
    ========================  ===============================================

    Args:
        out_dir: Folder that is there; None to write and log nothing.
        out: File for the five best classes of each image, as JSON; None for
            none.
        unit: What is classified, in reports.
        **kwargs: Of :class:`mmengine.evaluator.BaseMetric`.

    Attributes:
        outcome: Of the last evaluation, in the main process.
    """

    default_prefix = 'report'  # of no number; BaseMetric warns without one
    outcome: Outcome | None = None

    def __init__(
        self,
        out_dir: str | None = None,
        out: str | None = None,
        unit: str = 'images',
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.out_dir = out_dir
        self.out = out
        self.unit = unit

    @property
    def mistakes(self) -> list[dict]:
        """Images that are classified wrongly, see :meth:`Outcome.described`."""
        return [self.outcome.described(i) for i in np.flatnonzero(~self.outcome.right)]

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        scores = torch.stack([sample['pred_score'] for sample in data_samples])
        scores = scores.float().cpu()
        num_classes = scores.shape[1]
        values, labels = scores.topk(min(NUM_BEST, num_classes))
        values, labels = values.numpy(), labels.to(torch.int32).numpy()
        kept = scores.numpy() if num_classes <= MAX_SCORED else None
        for i, sample in enumerate(data_samples):
            image = {
                new: sample[key]
                for key, new in (('sample_idx', 'index'), ('img_path', 'file_name'))
                if key in sample
            }
            row = None if kept is None else kept[i]
            label = int(sample['gt_label'])
            self.results.append((image, label, labels[i], values[i], row, num_classes))

    def compute_metrics(self, results: list[tuple]) -> dict:
        images, true, labels, values, scores, (num_classes, *_) = zip(
            *results, strict=True
        )
        self.outcome = Outcome(
            np.array(true),
            np.stack(labels),
            np.stack(values),
            None if scores[0] is None else np.stack(scores),
            list(images),
            class_names(self.dataset_meta, num_classes),
            self.unit,
        )
        if self.out is not None:
            rows = [self.outcome.described(i) for i in range(len(results))]
            write_text(self.out, json.dumps(rows), '--out')
        if self.out_dir is not None:
            self._log_and_write(self.outcome)
        return {}

    def sections(self, dataset) -> list[Section]:
        """See :class:`projects.core.engine.evaluation_hook.EvaluationHook`."""
        from projects.core.tasks.classification.sections import sections_of

        return sections_of(self.outcome, dataset)

    def _log_and_write(self, outcome: Outcome) -> None:
        classes, confusion = outcome.classes, outcome.confusion
        scores = outcome.class_scores()
        print_log('\n' + class_table(scores, classes), logger='current')
        if not outcome.right.all():
            print_log(
                'most often taken for another: ' + confused(confusion, classes),
                logger='current',
            )
        self._write(confusion, scores, classes)

    def _write(
        self, confusion: np.ndarray, scores: np.ndarray, classes: list[str]
    ) -> None:
        rows = [
            [
                name,
                *('' if np.isnan(value) else f'{value:.4f}' for value in row[:3]),
                int(row[3]),
            ]
            for name, row in zip(classes, scores, strict=True)
        ]
        heads = ['class', *(f'{c} (%)' for c in COLUMNS), 'support']
        self._write_table('classes.csv', [heads, *rows])
        rows = [
            [name, *row] for name, row in zip(classes, confusion.tolist(), strict=True)
        ]
        self._write_table(
            'confusion_matrix.csv', [['true / predicted', *classes], *rows]
        )
        # matplotlib, which a training does not need
        from projects.core.tasks.classification.confusion import draw_confusion

        draw_confusion(
            confusion, classes, osp.join(self.out_dir, 'confusion_matrix.png')
        )

    def _write_table(self, name: str, rows: list[list]) -> None:
        text = io.StringIO(newline='')
        csv.writer(text).writerows(rows)
        write_text(osp.join(self.out_dir, name), text.getvalue(), '--work-dir')


def class_table(scores: np.ndarray, classes: Sequence[str]) -> str:
    """Table of the classes, of many the best and the worst by F1.

    Classes without images, of which little can be said, are counted alone
    where not all classes are shown.

    Args:
        scores: (K, 4), see :func:`scores_of_classes` of
            :mod:`projects.core.tasks.classification.outcome`.
        classes: Names of the K classes.
    """
    order, gap, note = list(range(len(classes))), None, ''
    if len(classes) > ALL_ROWS:
        known = [i for i in order if scores[i, 3] > 0]
        known.sort(key=lambda i: -scores[i, 2])
        order, gap = known, None
        if len(known) > 2 * SOME_ROWS:
            order = known[:SOME_ROWS] + known[-SOME_ROWS:]
            gap = SOME_ROWS
        note = (
            f'\nthe {len(order)} of {len(classes)} classes with the '
            'highest and the lowest F1'
        )
        if len(known) < len(classes):
            note += f'; {len(classes) - len(known)} have no images'
    rows = [
        [classes[i], *map(_percent, scores[i, :3]), int(scores[i, 3])] for i in order
    ]
    if gap is not None:
        rows.insert(gap, ['...'] * 5)
    with_images = scores[scores[:, 3] > 0]
    means = [
        _percent(np.nanmean(column)) if not np.isnan(column).all() else '-'
        for column in with_images[:, :3].T
    ]
    rows.append(['mean of classes', *means, int(scores[:, 3].sum())])
    table = AsciiTable([['class', *(f'{c} (%)' for c in COLUMNS), 'images'], *rows])
    for column in range(1, 5):
        table.justify_columns[column] = 'right'
    return table.table + note


def confused(confusion: np.ndarray, classes: Sequence[str], num: int = 5) -> str:
    """The largest numbers beside the diagonal, as 'true for predicted'."""
    pairs = sorted(
        (
            (count, i, j)
            for (i, j), count in np.ndenumerate(confusion)
            if i != j and count
        ),
        key=lambda pair: -pair[0],
    )
    return ', '.join(
        f'{classes[i]} for {classes[j]} ({count})' for count, i, j in pairs[:num]
    )


def _percent(value: float) -> str:
    return '-' if np.isnan(value) else f'{value:.1f}'
