"""What an evaluation of a detector reports, as blocks of a page."""

import math
from itertools import pairwise

import numpy as np

from projects.core.reports.blocks import (
    Bars,
    Curves,
    Matrix,
    Number,
    Points,
    Section,
    Series,
    Table,
)
from projects.core.tasks.detection.analysis import (
    SIZE_EDGES,
    Found,
    Outcome,
    best_cut,
    best_scores,
    calibration,
    confusion_matrix,
    image_scores,
    recall_by_size,
    scores_at,
    scores_by_threshold,
)
from projects.core.tasks.detection.error_kinds import KINDS, error_kinds
from projects.core.tasks.detection.examples import example_pictures
from projects.core.tasks.detection.matching import (
    IOU_THRS,
    RECALLS,
    Matching,
    mean_precision,
)

ALL_CLASSES = 20  # a curve each; of more classes the best and the worst
SOME_CLASSES = 5
BACKGROUND = '(background)'
NUM_THRESHOLDS = 101


def sections_of(outcome: Outcome, dataset) -> list[Section]:
    """All that there is to know of an evaluation, from one matching.

    Args:
        outcome: The evaluation.
        dataset: Of its images, for pictures.
    """
    num_classes, thr = len(outcome.classes), outcome.score_thr
    matching = Matching(outcome.detections, outcome.truths)
    found = Found.of(matching, num_classes)
    any_class = Found.of(matching, num_classes, by_class=False)
    per_image = image_scores(found, thr, len(outcome.img_ids))
    examples = example_pictures(outcome, per_image, dataset)
    sections = [
        Section(
            'Detections',
            [_totals(found, thr), _classes(outcome, found)],
            'A detection is right if it overlaps a ground truth of its class that none '
            f'of a higher score has found, by IoU 0.5 or more. Those of score {thr:g} '
            'or more are drawn in pictures.',
        ),
        Section(
            'Precision and recall',
            [
                _precision_recall(outcome, 0.5),
                _precision_recall(outcome, 0.75),
                _thresholds(found),
            ],
        ),
        Section(
            'Errors',
            [
                *_error_kinds(matching, num_classes),
                _confusion(any_class, outcome.classes, thr),
            ],
        ),
        Section('Sizes and scores', [_sizes(found, thr), _calibration(found)]),
    ]
    if examples:
        sections.append(Section('Best and worst images', examples))
    return sections


def _number(value: float) -> Number:
    """Short, as tables and JSON hold it; None where it is undefined."""
    return round(float(value), 4) if math.isfinite(value) else None


def _numbers(values) -> list[Number]:
    return [_number(value) for value in values]


def _totals(found: Found, thr: float) -> Table:
    """Of all classes together, at three thresholds."""
    lowest = found.score[-1] if len(found.score) else np.nan
    best = best_cut(found.score, found.hit, len(found.gt_label))[0]
    rows = []
    for name, least in (
        ('all', lowest),
        ('of the greatest F1', best),
        ('as in pictures', thr),
    ):
        seen = found.score >= least  # none of NaN
        num, right = int(seen.sum()), int((seen & found.hit).sum())
        scores = scores_by_threshold(found, np.array([least]))
        error = calibration(found, least).error
        rows.append(
            [
                name,
                _number(least),
                num,
                right,
                num - right,
                *(_number(value[0]) for value in vars(scores).values()),
                _number(error),
            ]
        )
    columns = ['detections', 'score', 'number', 'right', 'wrong']
    columns += ['precision', 'recall', 'F1', 'calibration error']
    return Table(
        'totals',
        'All classes together',
        columns,
        rows,
        better=['', '', '', '+', '-', '+', '+', '+', '-'],
        note=f'{len(found.gt_label)} ground truths. The calibration error (D-ECE) is '
        'the mean distance of score and precision.',
    )


def _classes(outcome: Outcome, found: Found) -> Table:
    num_classes, thr = len(outcome.classes), outcome.score_thr
    num_dets = np.bincount(outcome.detections.label, minlength=num_classes)
    num_gts = found.num_gts
    best_thrs, best = best_scores(found)
    seen = scores_at(found, thr)
    rows = []
    for k, name in enumerate(outcome.classes):
        means = (
            mean_precision(outcome.precision[:, :, k]),
            mean_precision(outcome.precision[0, :, k]),
            mean_precision(outcome.recall[:, k]),
        )
        rows.append(
            [
                name,
                int(num_gts[k]),
                int(num_dets[k]),
                *(None if mean is None else _number(mean) for mean in means),
                _number(best_thrs[k]),
                *(_number(v[k]) for v in vars(best).values()),
                *(_number(v[k]) for v in vars(seen).values()),
            ]
        )
    scores = ('precision', 'recall', 'F1')
    columns = ['class', 'ground truths', 'detections', 'AP', 'AP50', 'AR', 'best score']
    columns += [f'{name}, best' for name in scores]
    columns += [f'{name}, {thr:g}' for name in scores]
    return Table(
        'classes',
        'Classes',
        columns,
        rows,
        better=['', '', '', '+', '+', '+', '', *'++++++'],
        note='The best score is the least score of detections at which F1 of the class '
        f'is greatest; beside it what comes of that, and of {thr:g}. AP and AR are '
        'means over IoU 0.5 to 0.95.',
    )


def _precision_recall(outcome: Outcome, iou_thr: float) -> Curves:
    precision = outcome.precision[IOU_THRS.index(iou_thr)]  # (R, K)
    there = np.flatnonzero(precision[0] > -1)
    note = 'Of detections of descending score, at 101 recalls, as in AP.'
    shown = there
    if len(there) > ALL_CLASSES:
        order = there[np.argsort(-precision[:, there].mean(0), kind='stable')]
        shown = np.concatenate([order[:SOME_CLASSES], order[-SOME_CLASSES:]])
        note += (
            f' Of {len(there)} classes the {SOME_CLASSES} of the greatest and the '
            f'{SOME_CLASSES} of the least AP at this IoU.'
        )
    recalls = _numbers(RECALLS)
    series = []
    if len(there) > 1:
        mean = precision[:, there].mean(1)
        name = 'mean over classes'
        series.append(Series(name, recalls, _numbers(mean), dashed=True))
    for k in shown:
        series.append(Series(outcome.classes[k], recalls, _numbers(precision[:, k])))
    percent = round(100 * iou_thr)
    return Curves(
        f'precision-recall-{percent}',
        f'Precision by recall, IoU {iou_thr:g}',
        'recall',
        'precision',
        series,
        x_range=(0, 1),
        y_range=(0, 1),
        note=note,
    )


def _thresholds(found: Found) -> Curves:
    thresholds = np.linspace(0, 1, NUM_THRESHOLDS)
    scores = scores_by_threshold(found, thresholds)
    x = _numbers(thresholds)
    return Curves(
        'thresholds',
        'Precision, recall and F1 by the score that is asked for',
        'least score',
        'all classes together',
        [
            Series('precision', x, _numbers(scores.precision)),
            Series('recall', x, _numbers(scores.recall)),
            Series('F1', x, _numbers(scores.f1)),
        ],
        x_range=(0, 1),
        y_range=(0, 1),
        note='At IoU 0.5.',
    )


def _error_kinds(matching: Matching, num_classes: int) -> list[Table | Bars]:
    kinds = error_kinds(matching, num_classes)
    means = {
        'duplicate': 'another detection of a higher score has found it',
        'class': 'on a ground truth of another class',
        'localisation': 'IoU 0.1 to 0.5 with a ground truth of its class',
        'both': 'IoU 0.1 to 0.5 with a ground truth of another class',
        'background': 'IoU under 0.1 with any ground truth',
        'missed': 'a ground truth that no detection was meant for',
        'false positives': 'all detections that are wrong',
        'false negatives': 'all ground truths that are not found',
    }
    six = [kind for kind in kinds if kind.name in (*KINDS, 'missed')]
    table = Table(
        'error-kinds',
        'Kinds of error',
        ['error', 'number', 'AP50 that it costs', 'what it is'],
        [
            [
                kind.name,
                kind.count,
                None if kind.cost is None else _number(kind.cost),
                means[kind.name],
            ]
            for kind in kinds
        ],
        better=['', '-', '-', ''],
        note='What AP50 would gain if errors of this kind alone were made good; of '
        'detections of all scores (Bolya et al., TIDE, ECCV 2020). The gains do not '
        'add up: what one error costs hangs on the others.',
    )
    bars = Bars(
        'error-costs',
        'AP50 that each kind of error costs',
        [kind.name for kind in six],
        'AP50',
        {'cost': [None if kind.cost is None else _number(kind.cost) for kind in six]},
    )
    return [table, bars]


def _confusion(any_class: Found, classes: list[str], thr: float) -> Matrix:
    return Matrix(
        'confusion',
        'Which class is taken for which',
        'ground truth',
        'detected as',
        [*classes, BACKGROUND],
        [*classes, BACKGROUND],
        confusion_matrix(any_class, thr).tolist(),
        note=f'Detections of score {thr:g} or more, matched regardless of class at IoU '
        '0.5. The last column counts ground truths that are not found, the last row '
        'detections where there is none.',
    )


def _sizes(found: Found, thr: float) -> Bars:
    counts, recall, seen = recall_by_size(found, thr)
    there = np.flatnonzero(counts)
    shown = range(there[0], there[-1] + 1) if len(there) else ()
    labels = []
    for i, (low, high) in enumerate(pairwise(SIZE_EDGES)):
        area = 'small' if high <= 32 else 'medium' if high <= 96 else 'large'
        size = f'from {low}' if math.isinf(high) else f'{low}-{high}'
        labels.append(f'{size} ({area})') if i in shown else None
    return Bars(
        'recall-by-size',
        'Recall by size',
        labels,
        'recall at IoU 0.5',
        {
            'all detections': _numbers(recall[list(shown)]),
            f'score {thr:g} or more': _numbers(seen[list(shown)]),
        },
        note="Size in pixels: the square root of the annotation's area, as in COCO. "
        'Ground truths: ' + ', '.join(str(counts[i]) for i in shown) + '.',
    )


def _calibration(found: Found) -> Points:
    of_all = calibration(found)
    points = of_all.points(lambda _, num: f'{num} detection{"s" * (num != 1)}')
    for point in points:
        point.x, point.y = _number(point.x), _number(point.y)
    error = _number(of_all.error)
    return Points(
        'calibration',
        'Score and precision',
        'mean score',
        'share of detections that are right',
        points,
        diagonal=True,
        note='Detections in ten bins of their score. On the line a detection of score '
        '0.7 is right in 7 of 10 cases; below it, the model is too sure of itself.'
        + ('' if error is None else f' Mean distance (D-ECE): {error:.4f}.'),
    )
