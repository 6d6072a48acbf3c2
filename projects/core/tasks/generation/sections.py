"""What a report of a generative model shows, as blocks of a page.

Legend: N samples, D size of a feature, K classes.
"""

import bisect
import math
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from projects.core.reports.blocks import (
    Bars,
    Block,
    Matrix,
    Picture,
    Pictures,
    Point,
    Points,
    Section,
    Table,
)
from projects.core.tasks.drawing import shown_at
from projects.core.tasks.generation.pictures import FRAME, Kept, frames_of, grid

SIDE = 720  # pixels of a picture, at most
WIDTH = 480  # of one on a page, at most
NUM_POINTS = 500  # of samples, and as many of the data
NUM_SHOWN = 8  # samples beside their neighbours
NUM_NEIGHBOURS = 3
MOST_CLASSES = 50  # of a table
NUM_EXTREMES = 4  # best and worst translations each way


def pictures_block(
    key: str, title: str, pictures: dict[str, np.ndarray], note: str = ''
) -> Pictures:
    """Pictures, made smaller where they are large, by their captions."""
    shown = []
    for caption, image in pictures.items():
        factor = SIDE / max(image.shape[:2])
        image = shown_at(image, factor) if factor < 1 else image
        shown.append(Picture(caption, image))
    width = min(WIDTH, *(picture.image.shape[1] for picture in shown))
    return Pictures(key, title, shown, width=width, note=note)


def sections_of(kept: Kept | None, metainfo: dict, frames: Path) -> list[Section]:
    """Samples beside the data, and the way there.

    Args:
        kept: The first samples of the evaluation; None where nobody kept them.
        metainfo: Of the data set, with ``centres`` where there are such.
        frames: Folder of the pictures that validations left.
    """
    blocks: list[Block] = []
    rows = kept.rows if kept is not None else []
    if rows and 'fake_b' in rows[0]:
        pictures = {'Images and their translations': kept.picture()}
        blocks.append(pictures_block('translations', 'Translations', pictures))
    elif rows and rows[0]['fake'].dim() == 1:
        blocks.append(points_block(rows, metainfo.get('centres') or []))
    elif rows:
        pictures = {
            'Samples of the model': kept.picture(),
            'The data': kept.picture('real'),
        }
        note = 'A row for each class that was asked for.' if kept.num_classes else ''
        blocks.append(pictures_block('samples', 'Samples and data', pictures, note))
    files = frames_of(frames)
    if len(files) > 1:
        some = [files[i] for i in sorted({0, len(files) // 2, len(files) - 1})]
        pictures = {
            f'Iteration {int(FRAME.fullmatch(file.name)[1]):,}': image
            for file in some
            if (image := cv2.imread(str(file))) is not None
        }
        if pictures:
            title = 'Samples in the course of the training'
            note = 'Of the same noise, or images, each time.'
            blocks.append(pictures_block('training', title, pictures, note))
    return [Section('Samples', blocks)] if blocks else []


def points_block(rows: Sequence[dict], centres: Sequence[Sequence[float]]) -> Points:
    """Points of samples, of the data and of the centres of the mixture."""
    groups = {
        'data': [row['real'].tolist() for row in rows[:NUM_POINTS]],
        'samples': [row['fake'].tolist() for row in rows[:NUM_POINTS]],
        'centres': centres,
    }
    return Points(
        'points',
        'Samples and data',
        'x',
        'y',
        [
            Point(f'{name} {i}', *map(_finite, place), group=name)
            for name, places in groups.items()
            for i, place in enumerate(places)
        ],
        note=f'The first {min(len(rows), NUM_POINTS)} of each.',
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def mode_blocks(
    centres: np.ndarray, weights: np.ndarray, counts: np.ndarray, good: np.ndarray
) -> list[Block]:
    """Which modes of a mixture the samples are of.

    Args:
        centres: (K, 2).
        weights: (K,) of sum 1.
        counts: (K,) samples nearest to each centre.
        good: (K,) those of them that are good.
    """
    num = counts.sum()
    names = [f'mode {i}' for i in range(len(centres))]
    rows = [
        [name, *centre.round(9).tolist(), 100 * float(w), 100 * c / num, 100 * g / num]
        for name, centre, w, c, g in zip(
            names, centres, weights, counts.tolist(), good.tolist(), strict=True
        )
    ]
    note = (
        'A sample counts for the nearest centre, and is good within three standard '
        'deviations of it.'
    )
    shares = {
        'mixture': [row[3] for row in rows],
        'samples': [row[4] for row in rows],
        'good samples': [row[5] for row in rows],
    }
    heads = ['mode', 'x', 'y', *(f'{name} (%)' for name in shares)]
    return [
        Bars('mode-shares', 'Shares of the modes', names, '%', shares, note=note),
        Table('modes', 'Modes', heads, rows, digits=2),
    ]


def quality_blocks(values: dict[str, float]) -> list[Block]:
    """How near the samples are to the data.

    Args:
        values: Of :class:`~projects.core.tasks.generation.metrics.GenerationMetric`.
    """
    names = {
        'frechet_distance': 'Frechet distance',
        'frechet_floor': 'floor: of two halves of the data',
        'frechet_ratio': 'times the floor (as many samples)',
        'kernel_distance': 'kernel distance (KID)',
        'inception_score': 'inception score',
        'class_accuracy': 'class asked for is seen (%)',
        'accuracy_on_real': 'class of the data is seen (%)',
        'synthetic_top1': 'top-1 after training on samples',
        'real_top1': 'top-1 after training on data',
    }
    rows = [[names[name], values[name]] for name in names if name in values]
    overlap = {
        'precision': 'precision: samples that look real',
        'density': 'density: the same, outliers aside',
        'recall': 'recall: data that could be samples',
        'coverage': 'coverage: data near which is a sample',
    }
    overlap = {name: label for name, label in overlap.items() if name in values}
    blocks: list[Block] = []
    if rows:
        note = 'Of the features that the judge sees; of distances less is better.'
        blocks.append(
            Table('distances', 'Distances', ['measure', 'value'], rows, note=note)
        )
    if overlap:
        blocks.append(
            Bars(
                'overlap',
                'Quality and coverage',
                list(overlap.values()),
                'share, from 0 to 1; density can be more',
                {'samples': [values[name] for name in overlap]},
            )
        )
    return blocks


def class_blocks(
    labels: Sequence[int] | None, fake: Tensor, real: Tensor, names: Sequence[str]
) -> list[Block]:
    """What the judge takes the samples for.

    Args:
        labels: (N,) classes that were asked for; None of a model without.
        fake: (N, K) scores of the samples.
        real: (N, K) scores of the data, of the same classes.
        names: Of the classes, K; else they are numbered.
    """
    num_classes = fake.shape[1]
    if num_classes > MOST_CLASSES or not fake.isfinite().all():
        return []
    if len(names) != num_classes:
        names = [str(i) for i in range(num_classes)]
    seen, of_data = fake.argmax(1).numpy(), real.argmax(1).numpy()
    if labels is None:
        shares = {
            name: (100 * np.bincount(x, minlength=num_classes) / len(x)).tolist()
            for name, x in (('samples', seen), ('data', of_data))
        }
        note = 'By the judge. What is short among the samples was lost in training.'
        title = 'Classes of the samples'
        return [Bars('classes-seen', title, list(names), '%', shares, note=note)]
    confusion = np.zeros((num_classes, num_classes), int)
    np.add.at(confusion, (labels, seen), 1)
    rows = []
    for i, name in enumerate(names):
        asked = np.array(labels) == i
        if asked.any():
            right = (100 * float((x[asked] == i).mean()) for x in (seen, of_data))
            rows.append([name, *right, int(asked.sum())])
    return [
        Matrix(
            'classes-asked',
            'Classes asked for, and seen',
            'asked for',
            'seen by the judge',
            list(names),
            list(names),
            confusion.tolist(),
        ),
        Table(
            'class-accuracy',
            'Samples by class',
            ['class', 'samples seen as it (%)', 'data seen as it (%)', 'samples'],
            rows,
            digits=1,
            better=['', '+', '', ''],
        ),
    ]


def nearest_rows(fake: Tensor, real: Tensor) -> list[list[int]]:
    """The nearest data of each sample, by features (n, D) and (N, D)."""
    num = min(NUM_NEIGHBOURS, len(real))
    distances = torch.cdist(fake.double(), real.double())
    return distances.topk(num, largest=False).indices.tolist()


def neighbour_block(
    shown: Sequence[tuple[int, Tensor, Tensor]], nearest: Sequence[list[int]], dataset
) -> list[Block]:
    """Samples beside the data that are nearest to them.

    Args:
        shown: Place in the data, datum and sample, of each sample.
        nearest: Places of the nearest data of each.
        dataset: The data; nothing is shown where they are in another order than
            they were evaluated in.
    """
    images = []
    for (place, real, fake), others in zip(shown, nearest, strict=True):
        if not torch.equal(_datum(dataset, place), real):
            return []
        images += [fake, *(_datum(dataset, i) for i in others)]
    if not images:
        return []
    picture = grid(images, len(images) // len(shown))
    return [
        pictures_block(
            'neighbours',
            'Samples and their nearest neighbours',
            {'Left a sample, then the nearest of the data': picture},
            'Nearest by what the judge sees: a sample that is its neighbour to '
            'the pixel was learnt by heart.',
        )
    ]


def _datum(dataset, place: int) -> Tensor:
    return dataset[place]['inputs']


class Extremes:
    """Keeps of many things those of the lowest and of the highest scores.

    Args:
        num: How many of each.
    """

    def __init__(self, num: int = NUM_EXTREMES) -> None:
        self.num = num
        self.low: list[tuple[float, int, Any]] = []
        self.high: list[tuple[float, int, Any]] = []
        self._order = count()

    def add(self, score: float, make: Callable[[], Any]) -> None:
        """Keep what ``make`` returns, if its score is among them."""
        if not math.isfinite(score):
            return
        number = next(self._order)  # two things cannot be compared
        for kept, key in ((self.low, score), (self.high, -score)):
            if len(kept) < self.num or key < kept[-1][0]:
                bisect.insort(kept, (key, number, make()))
                del kept[self.num :]


def direction_table(means: dict[str, float]) -> Table:
    """Errors and classes of both directions.

    Args:
        means: Of :class:`~projects.core.tasks.generation.image_translation_metric.
            ImageTranslationMetric`, with the true mapping's.
    """
    heads = ['direction', 'error, in levels of 255']
    rows = [['A to B', means['error_ab']], ['B to A', means['error_ba']]]
    better = ['', '-']
    if 'class_kept_ab' in means:
        heads += ['class kept (%)', 'class of the originals seen (%)']
        better += ['+', '']
        rows[0] += [means['class_kept_ab'], means['class_real_a']]
        rows[1] += [means['class_kept_ba'], means['class_real_b']]
    title = 'Errors of the translations'
    return Table('directions', title, heads, rows, digits=2, better=better)


def translation_pictures(extremes: Extremes, way: str, unit: str) -> list[Block]:
    """The best and the worst translations of a direction.

    Args:
        extremes: Lists of images: the image, its translation, that brought back and,
            where it is known, the true translation.
        way: As 'A to B'.
        unit: What the scores are, in words.
    """
    first, last = way.split(' to ')
    heads = [first, way, f'back to {first}', f'true {last}']
    blocks: list[Block] = []
    for name, kept, sign in (('best', extremes.low, 1), ('worst', extremes.high, -1)):
        if kept:
            columns = len(kept[0][-1])
            images = [image for *_, images in kept for image in images]
            scores = ', '.join(f'{sign * score:.1f}' for score, *_ in kept)
            caption = f'{", ".join(heads[:columns])}; {unit}: {scores}'
            key = f'{name}-{way.replace(" ", "-").lower()}'
            title = f'{name.capitalize()} translations, {way}'
            blocks.append(pictures_block(key, title, {caption: grid(images, columns)}))
    return blocks
