"""All architectures side by side, as a page and as a picture."""

import random

import cv2
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from runs_to_compare import write_run

from projects.core.errors import UserError
from projects.core.reports.atlas import sections_of
from projects.core.reports.atlas_chart import _front, draw_atlas_chart, place_names
from projects.core.reports.runs import read_run


def config(family, name):
    return f'configs/{family}/{name}.py'


@pytest.fixture
def runs(tmp_path):
    """Three classifiers and two detectors, and a config without a run."""
    made = {}
    for family, name, top1, macs in (
        ('lenet', 'lenet5_1xb64-20e_digits', 97.0, 1e5),
        ('resnet', 'resnet18_1xb64-12e_digits', 98.0, 1e7),
        ('vgg', 'vgg11_1xb64-20e_digits', 96.0, 1e6),
    ):
        folder = write_run(tmp_path / name, (90.0, top1), macs=int(macs))
        made[config(family, name)] = read_run(folder)
    for name, mean_ap in (('ssd-mini_1xb16-22e', 0.7), ('yolov1-mini_1xb16-15e', 0.5)):
        folder = write_run(
            tmp_path / name, (mean_ap,), metric='coco/bbox_mAP', checksum='coco'
        )
        made[config('ssd', f'{name}_digits-coco')] = read_run(folder)
    made[config('gan', 'gan-mini_1xb64-9000i_digits')] = 'it failed: no space left'
    return made


def test_a_section_for_each_task_and_data(runs):
    sections, notices = sections_of(runs)
    assert [s.title for s in sections] == [
        'Classifier on digits',
        'Classifier on digits-coco',
        'Without a run',
    ]
    table = sections[0].blocks[0]
    # the best first
    assert [row[:3] for row in table.rows] == [
        ['resnet18', 'resnet', 98.0],
        ['lenet5', 'lenet', 97.0],
        ['vgg11', 'vgg', 96.0],
    ]
    assert sections[1].blocks[0].columns[2] == 'coco/bbox_mAP'
    assert sections[2].blocks[0].rows == [
        ['configs/gan/gan-mini_1xb64-9000i_digits.py', 'it failed: no space left']
    ]
    assert notices == ['1 of 6 configs have no run.']


def test_costs_and_curves_of_a_task(runs):
    (section, *_), _ = sections_of(runs)
    blocks = {block.key: block for block in section.blocks}
    points = blocks['cost-macs-classifier-digits']
    assert [(p.name, p.group, p.x) for p in points.points] == [
        ('resnet18', 'resnet', 10_000_000),
        ('lenet5', 'lenet', 100_000),
        ('vgg11', 'vgg', 1_000_000),
    ]
    assert points.front
    curves = blocks['val-accuracy-top1-classifier-digits']
    assert [s.name for s in curves.series] == ['resnet18', 'lenet5', 'vgg11']


def test_keys_of_blocks_are_unique(runs):
    sections, _ = sections_of(runs)
    keys = [block.key for section in sections for block in section.blocks]
    assert len(set(keys)) == len(keys)


def test_pages_of_runs_are_linked_from_the_page(runs, tmp_path):
    (tmp_path / 'lenet5_1xb64-20e_digits/report.html').touch()
    (section, *_), _ = sections_of(runs, str(tmp_path / 'atlas.html'))
    points = next(b for b in section.blocks if b.kind == 'points')
    links = {p.name: p.link for p in points.points}
    assert links['lenet5'] == 'lenet5_1xb64-20e_digits/report.html'
    assert links['vgg11'] == ''


def test_a_changed_data_set_and_a_stopped_run_are_said(runs, tmp_path):
    name = 'nin_1xb64-40e_digits'
    folder = write_run(
        tmp_path / name, checksum='new', sessions=[dict(seconds=1.0, end='stopped')]
    )
    _, notices = sections_of({**runs, config('nin', name): read_run(folder)})
    assert 'digits saw 2 different states' in notices[0]
    assert notices[-1] == 'Not finished: nin.'


def test_models_of_one_name_keep_their_configs_names(runs, tmp_path):
    name = 'lenet5_1xb64-40e_digits'
    run = read_run(write_run(tmp_path / name))
    (section, *_), _ = sections_of({**runs, config('lenet', name): run})
    names = [row[0] for row in section.blocks[0].rows]
    assert {'lenet5_1xb64-20e_digits', 'lenet5_1xb64-40e_digits', 'vgg11'} < set(names)


@pytest.mark.parametrize(
    ('sign', 'front'),
    [
        # by operations; of equal ones the better
        ('+', [(1, 3), (3, 5)]),
        ('-', [(1, 2), (2, 1)]),
    ],
)
def test_front(sign, front):
    points = [(2, 1), (3, 5), (1, 3), (1, 2), (4, 5), (3, 4)]
    assert _front(points, sign) == front


def test_picture_of_the_atlas(runs, tmp_path):
    out = tmp_path / 'charts.png'
    draw_atlas_chart(runs, str(out))
    picture = cv2.imread(str(out))
    assert picture.shape[1] == 1320
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3  # a color per family
    few = dict(list(runs.items())[3:])
    with pytest.raises(UserError, match='no task has 3 runs'):
        draw_atlas_chart(few, str(tmp_path / 'none.png'))


def test_no_name_covers_another_or_a_point():
    figure = Figure(figsize=(11, 6), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw = random.Random(0)
    # as accuracies of few test images: many points on few levels
    points = [
        ((draw.uniform(0, 1), draw.choice((96.3, 96.6, 97.0, 97.3, 97.6, 98.0))), name)
        for name in (f'architecture-{i}' for i in range(30))
    ]
    axes.plot(*zip(*(place for place, _ in points), strict=True), 'o')
    axes.margins(0.1)
    figure.draw_without_rendering()
    texts = place_names(axes, points)
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert {text.get_text() for text in texts} == {name for _, name in points}
    for i, box in enumerate(boxes):
        assert box.count_overlaps(boxes[:i]) == 0
        for place, _ in points:
            assert not box.contains(*axes.transData.transform(place))
