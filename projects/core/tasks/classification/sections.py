"""What an evaluation of a classifier reports, as blocks of a page."""

from collections import Counter

import numpy as np

from projects.core.reports.blocks import (
    Bars,
    Curves,
    Matrix,
    Points,
    Section,
    Series,
    Table,
)
from projects.core.tasks.classification.outcome import (
    MAX_SCORED,
    Outcome,
    accuracy_of_the_surest,
    calibration,
)
from projects.core.tasks.classification.pictures import surest_pictures

MAX_IN_MATRIX = 30  # classes
NUM_PAIRS = 10
NUM_BINS = 20  # of the histogram
NUM_POINTS = 100  # of a curve


def sections_of(outcome: Outcome, dataset) -> list[Section]:
    """All that there is to know of an evaluation.

    Args:
        outcome: The evaluation.
        dataset: Of its images, for pictures.
    """
    names = unique(outcome.classes)
    sections = [
        Section('Accuracy', [_top_k(outcome), _coverage(outcome)]),
        Section('Classes', [_classes(outcome, names), *_confusion(outcome, names)]),
        Section('Confidence', [_calibration(outcome), _histogram(outcome)]),
    ]
    pictures = surest_pictures(outcome, dataset) if outcome.unit == 'images' else []
    if pictures:
        sections.append(Section('Examples', pictures))
    return sections


def unique(names: list[str]) -> list[str]:
    """Names, with their labels where two are alike (ImageNet has two cranes)."""
    counts = Counter(names)
    return [
        f'{name} ({label})' if counts[name] > 1 else name
        for label, name in enumerate(names)
    ]


def _top_k(outcome: Outcome) -> Bars:
    accuracies = outcome.accuracies()
    return Bars(
        'top-k',
        'Top-k accuracy',
        labels=[f'top-{k}' for k in range(1, len(accuracies) + 1)],
        y_label=f'{outcome.unit} (%)',
        series={'accuracy': accuracies},
        note=f'{outcome.unit.capitalize()} whose class is among the k classes of the '
        f'highest scores; {len(outcome.true)} in all.',
    )


def _coverage(outcome: Outcome) -> Curves:
    accuracy = accuracy_of_the_surest(outcome)
    num_images = len(accuracy)
    ends = np.unique(np.linspace(1, num_images, NUM_POINTS).round().astype(int))
    return Curves(
        'coverage',
        f'Accuracy of the surest {outcome.unit}',
        f'{outcome.unit} that are classified, the surest first (%)',
        'accuracy of these (%)',
        [Series('accuracy', 100 * ends / num_images, 100 * accuracy[ends - 1])],
        x_range=(0, 100),
        note=f'If the {outcome.unit} of low confidence are left to a person, so many '
        'of the others are right.',
    )


def _classes(outcome: Outcome, names: list[str]) -> Table:
    numbers = outcome.class_scores()
    precisions = outcome.average_precisions()
    columns = ['class', 'precision (%)', 'recall (%)', 'F1 (%)', outcome.unit]
    rows = [
        [name, *(None if np.isnan(v) else float(v) for v in row[:3]), int(row[3])]
        for name, row in zip(names, numbers, strict=True)
    ]
    better = ['', '+', '+', '+', '']
    note = ''
    if outcome.scores is not None:
        columns.insert(4, 'AP (%)')
        better.insert(4, '+')
        for row, precision in zip(rows, precisions, strict=True):
            row.insert(4, precision)
        note = (
            'AP: area under the precision-recall curve of the class against all '
            'others, by its score.'
        )
    else:
        note = f'No AP, for which all scores are kept: of up to {MAX_SCORED} classes.'
    return Table(
        'classes', 'Classes', columns, rows, digits=1, better=better, note=note
    )


def _confusion(outcome: Outcome, names: list[str]) -> list[Matrix | Table]:
    pairs = outcome.confused_pairs()
    shown, note = list(range(len(names))), ''
    if len(names) > MAX_IN_MATRIX:
        chosen: dict[int, None] = {}
        for _, true, predicted in pairs:
            both = {**chosen, true: None, predicted: None}
            if len(both) > MAX_IN_MATRIX:
                break
            chosen = both
        shown = sorted(chosen)
        note = (
            f'The {len(shown)} of {len(names)} classes that are most often taken for '
            f'another; {outcome.unit} that are taken for a class not shown are '
            'missing. '
        )
    blocks: list[Matrix | Table] = []
    if shown:
        blocks.append(
            Matrix(
                'confusion',
                'Which class is taken for which',
                'true class',
                'predicted class',
                [names[i] for i in shown],
                [names[i] for i in shown],
                outcome.confusion_of(shown).tolist(),
                note=f'{note}{outcome.unit.capitalize()} by true (row) and predicted '
                'class (column).',
            )
        )
    if pairs:
        support = np.bincount(outcome.true)
        blocks.append(
            Table(
                'confused',
                'Most often taken for another',
                ['true class, predicted class', outcome.unit, 'of the true class (%)'],
                [
                    [f'{names[i]}, {names[j]}', count, 100 * count / int(support[i])]
                    for count, i, j in pairs[:NUM_PAIRS]
                ],
                digits=1,
                better=['', '-', '-'],
            )
        )
    return blocks


def _calibration(outcome: Outcome) -> Points:
    found = calibration(outcome)
    points = found.points(lambda _, num: f'{num} {outcome.unit}')
    mean = float(outcome.confidence.mean())
    return Points(
        'calibration',
        'Confidence and accuracy',
        'mean confidence',
        'accuracy',
        points,
        diagonal=True,
        note=f'{outcome.unit.capitalize()} in bins of their confidence, the score of '
        f'the predicted class. On the line, of {outcome.unit} of confidence 0.7 seven '
        'in ten are right; below it, the '
        f'model is too sure of itself. Expected calibration error: {found.error:.4f}; '
        f'mean confidence {mean:.4f}, accuracy {outcome.right.mean():.4f}.',
    )


def _histogram(outcome: Outcome) -> Bars:
    edges = np.linspace(0, 1, NUM_BINS + 1)
    return Bars(
        'confidence',
        'Confidence of right and wrong predictions',
        labels=[f'{low:.2f}-{low + 1 / NUM_BINS:.2f}' for low in edges[:-1]],
        y_label=outcome.unit,
        series={
            name: np.histogram(outcome.confidence[chosen], edges)[0].tolist()
            for name, chosen in (('right', outcome.right), ('wrong', ~outcome.right))
        },
        stacked=True,
        note='A model that knows what it does not know is wrong on the left alone.',
    )
