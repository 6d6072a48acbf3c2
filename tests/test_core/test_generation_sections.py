"""What an evaluation of a generative model reports, as blocks of a page."""

import math

import cv2
import numpy as np
import pytest
import torch

from projects.core.reports.blocks import block_to_json
from projects.core.tasks.generation.image_translation_metric import (
    ImageTranslationMetric,
)
from projects.core.tasks.generation.judge import Judge, Verdict
from projects.core.tasks.generation.metrics import GenerationMetric
from projects.core.tasks.generation.mixture_metric import MixtureMetric
from projects.core.tasks.generation.pictures import Kept
from projects.core.tasks.generation.sections import (
    NUM_POINTS,
    NUM_SHOWN,
    SIDE,
    WIDTH,
    Extremes,
    class_blocks,
    nearest_rows,
    pictures_block,
    sections_of,
)


def blocks_of(sections):
    return {block.key: block for section in sections for block in section.blocks}


# ------------------------------------------------------------------------- samples
def image(value, size=4, channels=1):
    return torch.full((channels, size, size), value, dtype=torch.uint8)


def kept_of(rows, num_classes=None):
    kept = Kept(num_classes)
    kept.add(rows)
    return kept


@pytest.mark.parametrize('kept', [None, Kept()])
def test_no_samples_no_section(kept, tmp_path):
    assert sections_of(kept, {}, tmp_path / 'nowhere') == []


def test_samples_stand_beside_the_data(tmp_path):
    rows = [dict(fake=image(10), real=image(200), label=i % 2) for i in range(4)]
    block = blocks_of(sections_of(kept_of(rows, 2), {}, tmp_path))['samples']
    assert block.note == 'A row for each class that was asked for.'
    for picture, value in zip(block.pictures, (10, 200), strict=True):
        # the middle of the first image; between them is white
        assert (picture.image[20, 20] == value).all()


def test_points_have_groups_and_their_number_is_bounded(tmp_path):
    point = torch.tensor([1.0, math.nan])
    kept = kept_of([dict(fake=point, real=torch.zeros(2))] * (NUM_POINTS + 9))
    metainfo = dict(centres=[[0, 1], [1, 0]])
    block = blocks_of(sections_of(kept, metainfo, tmp_path))['points']
    groups = [point.group for point in block.points]
    assert groups.count('samples') == groups.count('data') == NUM_POINTS
    assert groups.count('centres') == 2
    sample = block.points[NUM_POINTS]
    assert (sample.group, sample.x, sample.y) == ('samples', 1.0, None)


def test_pictures_of_a_training_are_the_first_the_middle_and_the_last(tmp_path):
    for i in range(5):
        frame = np.full((8, 8, 3), 40 * i, np.uint8)
        cv2.imwrite(str(tmp_path / f'iter_{1000 * i:07}.png'), frame)
    (tmp_path / 'iter_0004000.png').write_bytes(b'cut off')
    block = blocks_of(sections_of(None, {}, tmp_path))['training']
    shown = {p.caption: int(p.image[0, 0, 0]) for p in block.pictures}
    assert shown == {'Iteration 0': 0, 'Iteration 2,000': 80}
    (tmp_path / 'iter_0000000.png').write_bytes(b'')
    (tmp_path / 'iter_0002000.png').write_bytes(b'')
    assert sections_of(None, {}, tmp_path) == []


def test_pictures_are_neither_too_large_nor_enlarged():
    small = np.zeros((30, 20, 3), np.uint8)
    large = np.zeros((3 * SIDE, SIDE, 3), np.uint8)
    block = pictures_block('key', 'title', {'large': large, 'small': small})
    assert [p.image.shape[:2] for p in block.pictures] == [(SIDE, SIDE // 3), (30, 20)]
    assert block.width == 20
    wide = np.zeros((9, SIDE, 3), np.uint8)
    assert pictures_block('key', 'title', {'wide': wide}).width == WIDTH


# ------------------------------------------------------------------------- mixtures
def test_modes_by_hand():
    metric = MixtureMetric(num_distance=2)
    metric.dataset_meta = dict(
        centres=[[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]], std=0.1, weights=[0.5, 0.25, 0.25]
    )
    assert metric.sections(None) == []
    points = [[0.1, 0.0], [0.0, 1.0], [4.0, 0.2], [0.2, 0.0]]
    metric.process(
        None, [dict(real=torch.zeros(2), fake=torch.tensor(p)) for p in points]
    )
    metric.evaluate(4)
    blocks = blocks_of(metric.sections(None))
    assert blocks['modes'].rows == [
        # three are nearest to the first centre, one of them a whole unit away
        ['mode 0', 0, 0, 50, 75, 50],
        ['mode 1', 4, 0, 25, 25, 25],
        ['mode 2', 0, 4, 25, 0, 0],
    ]
    assert blocks['mode-shares'].series['samples'] == [75, 25, 0]


# ------------------------------------------------------------------ images, by a judge
class Brightest(Judge):
    """Features are pixels, the class is the brightest one."""

    name, accuracy, device = 'pixels', 97.5, torch.device('cpu')

    def __call__(self, images):
        x = images.flatten(1).float()
        return Verdict(x, x)

    def to(self, device):
        return self


class Data:
    def __init__(self, images):
        self.images = images

    def __getitem__(self, i):
        return dict(inputs=self.images[i])


@pytest.fixture
def metric(tmp_path):
    (tmp_path / 'x.pth').touch()
    config = 'lenet/lenet5-modern_1xb64-20e_digits.py'
    metric = GenerationMetric(dict(config=config, checkpoint=str(tmp_path / 'x.pth')))
    metric.judge = Brightest()
    return metric


def evaluated(metric, real, fake, **more):
    rows = [
        dict(real=r, fake=f, **{name: values[i] for name, values in more.items()})
        for i, (r, f) in enumerate(zip(real, fake, strict=True))
    ]
    for first in range(0, len(rows), 7):
        metric.process(None, rows[first : first + 7])
    return metric.evaluate(len(rows))


def random_images(num, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num, 1, 2, 2), generator=g).to(torch.uint8)


def test_a_metric_without_an_evaluation_reports_nothing(metric):
    assert metric.sections(None) == []


def test_distances_are_those_of_the_log(metric):
    x = random_images(20)
    found = evaluated(metric, x, random_images(20, 1))
    blocks = blocks_of(metric.sections(Data(x)))
    rows = dict(blocks['distances'].rows)
    assert rows['Frechet distance'] == found['generation/frechet_distance']
    names = ('precision', 'density', 'recall', 'coverage')
    expected = [found[f'generation/{name}'] for name in names]
    assert blocks['overlap'].series == {'samples': expected}
    # of a model that is asked for nothing: what the judge sees
    shares = blocks['classes-seen'].series
    assert sum(shares['samples']) == sum(shares['data']) == pytest.approx(100)
    for block in blocks.values():
        block_to_json(block)


def test_classes_that_were_asked_for(metric):
    x, y = random_images(40), random_images(40, 1)
    seen = y.flatten(1).argmax(1)
    asked = torch.where(torch.arange(40) < 30, seen, (seen + 1) % 4)
    metric.dataset_meta = dict(classes=('a', 'b', 'c', 'd'))
    evaluated(metric, x, y, label=asked.tolist(), conditional=[True] * 40)
    blocks = blocks_of(metric.sections(Data(x)))
    matrix = np.array(blocks['classes-asked'].values)
    assert np.trace(matrix) == 30
    assert matrix.sum(1).tolist() == asked.bincount(minlength=4).tolist()
    right = {row[0]: row[1] for row in blocks['class-accuracy'].rows}
    assert right['b'] == pytest.approx(100 * matrix[1, 1] / matrix[1].sum())
    assert dict(blocks['distances'].rows)['class asked for is seen (%)'] == 75


def test_odd_classes_have_no_blocks_or_numbers_for_names():
    scores = torch.eye(3)
    (bars,) = class_blocks(None, scores, scores, ['of', 'another', 'data', 'set'])
    assert bars.labels == ['0', '1', '2']
    assert class_blocks(None, torch.full((3, 3), math.nan), scores, []) == []
    assert class_blocks(None, torch.zeros(2, 1008), torch.zeros(2, 1008), []) == []


def test_neighbours_are_the_nearest_of_the_data(metric):
    assert nearest_rows(torch.tensor([[0.9]]), torch.tensor([[5.0], [1.0], [0.0]])) == [
        [1, 2, 0]
    ]
    x = random_images(20)
    order = torch.arange(20).flip(0)
    evaluated(metric, x, x[order])  # each is in the data, at another place
    blocks = blocks_of(metric.sections(Data(x)))
    (picture,) = blocks['neighbours'].pictures
    side = picture.image.shape[0] // NUM_SHOWN
    left, nearest = (picture.image[:, i * side : (i + 1) * side] for i in (0, 1))
    assert np.abs(left[5:-5, 5:-5] - nearest[5:-5, 5:-5]).max() <= 1
    third = picture.image[:, 2 * side : 3 * side]
    assert np.abs(left[5:-5, 5:-5] - third[5:-5, 5:-5]).max() > 20


def test_data_in_another_order_have_no_neighbours(metric):
    x = random_images(20)
    evaluated(metric, x, x)
    assert 'neighbours' not in blocks_of(metric.sections(Data(x.flip(0))))


def test_samples_that_are_not_finite_have_no_report(metric):
    x = random_images(20)
    evaluated(metric, x, x)
    evaluated(metric, x, torch.full((20, 1, 2, 2), math.nan))
    assert metric.sections(Data(x)) == []


# --------------------------------------------------------------------- translations
class Negative:
    def there(self, images):
        return 255 - images

    back = there


def test_translations_beside_the_true_ones():
    metric = ImageTranslationMetric()
    metric.mapping = Negative()
    row = dict(
        real_a=image(100, channels=3),
        real_b=image(50, channels=3),
        fake_a=image(205, channels=3),  # the true one
        fake_b=image(151, channels=3),  # of 155
        again_a=image(0, channels=3),
        again_b=image(0, channels=3),
    )
    metric.process(None, [row])
    metric.evaluate(1)
    blocks = blocks_of(metric.sections(None))
    assert blocks['directions'].rows == [['A to B', 4], ['B to A', 0]]
    (picture,) = blocks['best-a-to-b'].pictures
    assert picture.caption.endswith('true B; error to the true one: 4.0')
    middles = picture.image[picture.image.shape[0] // 2, ::30, 0]
    assert {100, 151, 0, 155} <= set(middles.tolist())


def test_extremes_are_the_lowest_and_the_highest():
    made = []
    found = Extremes(2)
    for score in (5.0, 3.0, math.nan, 9.0, 1.0, 4.0):
        found.add(score, lambda score=score: made.append(score) or score)
    assert [item for *_, item in found.low] == [1, 3]
    assert [item for *_, item in found.high] == [9, 5]
    assert 4.0 not in made  # what is not kept is not made


def test_best_and_worst_translations():
    metric = ImageTranslationMetric()
    assert metric.sections(None) == []
    rows = []
    for i in range(6):
        # brought back, A is wrong by i, B by 10 - i
        rows.append(
            dict(
                real_a=image(100, channels=3),
                real_b=image(50, channels=3),
                fake_a=image(1, channels=3),
                fake_b=image(2, channels=3),
                again_a=image(100 + i, channels=3),
                again_b=image(60 - i, channels=3),
            )
        )
    metric.process(None, rows[:4])
    metric.process(None, rows[4:])
    metric.evaluate(6)
    blocks = blocks_of(metric.sections(None))
    assert list(blocks) == [
        'best-a-to-b',
        'worst-a-to-b',
        'best-b-to-a',
        'worst-b-to-a',
    ]
    caption = blocks['worst-a-to-b'].pictures[0].caption
    head = 'A, A to B, back to A; error to the original, back again: '
    assert caption == head + '5.0, 4.0, 3.0, 2.0'
    caption = blocks['best-b-to-a'].pictures[0].caption
    assert caption.endswith(': 5.0, 6.0, 7.0, 8.0')
    # the next evaluation begins anew
    metric.process(None, rows[:1])
    metric.evaluate(1)
    caption = blocks_of(metric.sections(None))['worst-a-to-b'].pictures[0].caption
    assert caption == head + '0.0'
