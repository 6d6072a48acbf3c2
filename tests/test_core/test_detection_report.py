"""What an evaluation of a detector reports, worked out by hand."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict

from projects.core.reports.blocks import block_from_json, block_to_json
from projects.core.tasks.detection.analysis import (
    SIZE_EDGES,
    Found,
    ImageScores,
    best_cut,
    best_scores,
    calibration,
    confusion_matrix,
    image_scores,
    recall_by_size,
    scores_at,
    scores_by_threshold,
)
from projects.core.tasks.detection.examples import best_and_worst, caption
from projects.core.tasks.detection.matching import Detections, GroundTruths, Matching
from projects.registry import METRICS

A, B, C = (0, 0, 10, 10), (50, 0, 40, 40), (100, 0, 10, 10)
KEYS = [
    'totals',
    'classes',
    'precision-recall-50',
    'precision-recall-75',
    'thresholds',
    'error-kinds',
    'error-costs',
    'confusion',
    'recall-by-size',
    'calibration',
]


def matching_of(gts, dets):
    """gts: (image, label, box), dets: (image, label, box, score)."""
    boxes = np.array([box for *_, box in gts], float).reshape(-1, 4)
    image, label = np.array([gt[:2] for gt in gts], int).reshape(-1, 2).T
    crowd = np.zeros(len(gts), bool)
    truths = GroundTruths(image, label, boxes, boxes[:, 2] * boxes[:, 3], crowd)
    image, label = np.array([det[:2] for det in dets], int).reshape(-1, 2).T
    boxes = np.array([det[2] for det in dets], float).reshape(-1, 4)
    scores = np.array([det[3] for det in dets], float)
    return Matching(Detections(image, label, boxes, scores), truths)


@pytest.fixture(scope='module')
def matching():
    """Class 0: hit 0.9, miss 0.8, hit 0.2 of three; class 1: C taken for 0.

    Class 2 has nothing.
    """
    return matching_of(
        [(0, 0, A), (0, 0, B), (1, 0, A), (1, 1, C)],
        [(0, 0, A, 0.9), (1, 0, C, 0.8), (0, 0, B, 0.2)],
    )


@pytest.fixture(scope='module')
def found(matching):
    return Found.of(matching, 3)


def test_scores_at_a_threshold(found):
    scores = scores_at(found, 0.3)
    np.testing.assert_allclose(scores.precision, [1 / 2, np.nan, np.nan])
    np.testing.assert_allclose(scores.recall, [1 / 3, 0, np.nan])
    # 2 TP / (detections + ground truths)
    np.testing.assert_allclose(scores.f1, [2 / 5, 0, np.nan])


def test_scores_at_the_best_threshold(found):
    # F1 of class 0 with 1, 2, 3 detections: 2/4, 2/5, 4/6
    thresholds, scores = best_scores(found)
    np.testing.assert_allclose(thresholds, [0.2, np.nan, np.nan])
    np.testing.assert_allclose(scores.precision, [2 / 3, np.nan, np.nan])
    np.testing.assert_allclose(scores.recall, [2 / 3, 0, np.nan])
    np.testing.assert_allclose(scores.f1, [2 / 3, 0, np.nan])


def test_equal_scores_are_on_one_side_of_a_threshold():
    # alone the first would be the best cut, F1 1; with its equals it is 2 / 4
    hit = np.array([True, False, False])
    assert best_cut(np.array([0.5, 0.5, 0.5]), hit, 1) == (0.5, 1, 3)
    assert best_cut(np.array([0.5, 0.4, 0.4]), hit, 1) == (0.5, 1, 1)


def test_scores_by_threshold(found):
    scores = scores_by_threshold(found, np.array([0, 0.2, 0.5, 0.9, 0.95]))
    np.testing.assert_allclose(scores.precision, [2 / 3, 2 / 3, 1 / 2, 1, np.nan])
    np.testing.assert_allclose(scores.recall, [1 / 2, 1 / 2, 1 / 4, 1 / 4, 0])


def test_confusion_matrix(matching):
    any_class = Found.of(matching, 3, by_class=False)
    np.testing.assert_array_equal(
        confusion_matrix(any_class, 0.3),
        [
            [1, 0, 0, 2],  # A of image 0; B has a low score, A of image 1 none
            [1, 0, 0, 0],  # C, detected as class 0
            [0, 0, 0, 0],
            [0, 0, 0, 0],
        ],
    )
    nowhere = matching_of([], [(0, 1, A, 0.9), (0, 1, B, 0.1)])
    matrix = confusion_matrix(Found.of(nowhere, 2, by_class=False), 0.3)
    np.testing.assert_array_equal(matrix, [[0, 0, 0], [0, 0, 0], [0, 1, 0]])


def test_recall_by_size(found):
    # A, A and C of 10 pixels: from 8 to 16; B of 40: from 32 to 48
    counts, recall, seen = recall_by_size(found, 0.3)
    low = dict(zip(SIZE_EDGES, range(len(counts)), strict=False))
    assert counts[[low[8], low[32]]].tolist() == [3, 1]
    assert counts.sum() == 4
    np.testing.assert_allclose(recall[[low[8], low[32]]], [1 / 3, 1])
    np.testing.assert_allclose(seen[[low[8], low[32]]], [1 / 3, 0])
    assert np.isnan(recall[low[16]])


@pytest.mark.parametrize(('side', 'low'), [(31.9, 24), (32, 32), (96, 96), (600, 512)])
def test_sizes_at_the_edges(side, low):
    found = Found.of(matching_of([(0, 0, (0, 0, side, side))], []), 1)
    assert SIZE_EDGES[np.flatnonzero(recall_by_size(found, 0.3)[0])[0]] == low


def test_calibration_error():
    # Bin 0.8-0.9: scores 0.8 and 0.84, one right: |1/2 - 0.82| = 0.32.
    # Bin 0.2-0.3: score 0.25, wrong: 0.25. Error: (2 * 0.32 + 0.25) / 3.
    found = Found.of(
        matching_of(
            [(0, 0, A)],
            [(0, 0, A, 0.84), (0, 0, B, 0.8), (0, 0, C, 0.25)],
        ),
        1,
    )
    bins = calibration(found)
    assert bins.counts.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 2, 0]
    assert bins.score[8] == pytest.approx(0.82)
    assert bins.precision[8] == pytest.approx(1 / 2)
    assert bins.error == pytest.approx((2 * 0.32 + 0.25) / 3)
    assert calibration(found, 0.3).error == pytest.approx(0.32)
    assert np.isnan(calibration(found, 0.9).error)


def test_best_and_worst_images(found):
    scores = image_scores(found, 0.3, 3)
    assert scores.found.tolist() == [1, 0, 0]
    assert scores.num_gts.tolist() == [2, 2, 0]
    assert scores.wrong.tolist() == [0, 1, 0]
    # (2 TP + 1) / (2 TP + FP + FN + 2)
    np.testing.assert_allclose(scores.weighted_f1, [3 / 5, 1 / 5, np.nan])
    assert best_and_worst(scores, np.ones(3, bool)) == ([0], [1])
    assert best_and_worst(scores, np.zeros(3, bool)) == ([], [])
    assert caption(scores, 0, 12) == 'image 12: 1 of 2 found'
    assert caption(scores, 1, 'x') == 'image x: 0 of 2 found, 1 false'


def test_more_objects_count_for_more():
    # images without fault of 1 and of 9 objects, with nothing found of 1 and of 9
    scores = ImageScores(
        np.array([1, 9, 0, 0]), np.array([1, 9, 1, 9]), np.array([0, 0, 0, 0])
    )
    assert best_and_worst(scores, np.ones(4, bool)) == ([1, 0], [3, 2])
    # of faultless images none is bad, of hopeless ones none is good
    faultless = ImageScores(*np.array([[1, 2], [1, 2], [0, 0]]))
    assert best_and_worst(faultless, np.ones(2, bool)) == ([1], [])
    hopeless = ImageScores(*np.array([[0, 0], [1, 2], [0, 0]]))
    assert best_and_worst(hopeless, np.ones(2, bool)) == ([], [1])
    alone = ImageScores(np.array([0]), np.array([0]), np.array([3]))
    assert caption(alone, 0, 5) == 'image 5: nothing to find, 3 false'


# ------------------------------------------------------------------- the metric
def sections(tmp_path, gts, dets, classes, **kwargs):
    """gts: (image, label, box), dets: (image, label, box, score), of images 0 and 1."""
    names = [*classes]
    (tmp_path / 'gt.json').write_text(
        json.dumps(
            dict(
                images=[
                    dict(id=i, file_name=f'{i}.png', width=200, height=100)
                    for i in range(2)
                ],
                categories=[dict(id=9 - k, name=n) for k, n in enumerate(names)],
                annotations=[
                    dict(id=i, image_id=image, category_id=9 - label, bbox=box)
                    for i, (image, label, box) in enumerate(gts, 1)
                ],
            )
        )
    )
    samples = []
    for i in range(2):
        here = [det for det in dets if det[0] == i]
        boxes = torch.tensor([det[2] for det in here]).reshape(-1, 4).float()
        boxes[:, 2:] += boxes[:, :2]
        samples.append(
            dict(
                img_id=i,
                img_path=f'{tmp_path}/{i}.png',
                ori_shape=(100, 200),
                pred_instances=dict(
                    bboxes=boxes,
                    scores=torch.tensor([det[3] for det in here]),
                    labels=torch.tensor([det[1] for det in here]).long(),
                ),
            )
        )
    metric = METRICS.build(
        dict(type='projects.CocoMetric', ann_file=f'{tmp_path}/gt.json', **kwargs)
    )
    metric.dataset_meta = dict(classes=names)
    metric.process({}, samples)
    metric.evaluate(2)
    return metric.sections(None)


def blocks_of(sections):
    """By key, as they are read back."""
    blocks = [block for section in sections for block in section.blocks]
    again = [
        block_from_json(json.loads(json.dumps(block_to_json(block), allow_nan=False)))
        for block in blocks
    ]
    assert len({block.key for block in blocks}) == len(blocks)
    return {block.key: block for block in again}


GTS = [(0, 0, A), (0, 0, B), (1, 0, A), (1, 1, C)]
DETS = [(0, 0, A, 0.9), (1, 0, C, 0.8), (0, 0, B, 0.2)]


@pytest.mark.parametrize(
    ('gts', 'dets', 'classes'),
    [
        (GTS, DETS, ['cat', 'dog', 'owl']),
        (GTS, [], ['cat', 'dog', 'owl']),
        ([], DETS, ['cat', 'dog', 'owl']),
        ([], [], ['cat', 'dog', 'owl']),
        (GTS[:3], DETS, ['cat']),
        (GTS, DETS, [f'c{k}' for k in range(9)]),
    ],
    ids=['some', 'no detection', 'no truth', 'nothing', 'one class', 'empty classes'],
)
def test_blocks_whatever_there_is(tmp_path, gts, dets, classes):
    blocks = blocks_of(sections(tmp_path, gts, dets, classes))
    assert list(blocks) == KEYS  # without image files no pictures
    table = blocks['classes']
    assert [row[0] for row in table.rows] == classes
    for row in table.rows:
        assert len(row) == len(table.columns) == len(table.better)
        if row[1] == 0:  # no ground truth: unknown, not bad
            assert row[3:] == [None] * (len(row) - 3)
        else:
            assert None not in row[3:6]
    matrix = blocks['confusion']
    assert len(matrix.values) == len(matrix.rows) == len(classes) + 1
    if not gts:
        assert blocks['thresholds'].series[1].y == [None] * 101  # recall
        assert not blocks['precision-recall-50'].series
        assert {row[2] for row in blocks['error-kinds'].rows} == {None}
    if not dets:
        assert blocks['thresholds'].series[0].y == [None] * 101  # precision
        assert not blocks['calibration'].points


def test_numbers_of_the_blocks(tmp_path):
    blocks = blocks_of(sections(tmp_path, GTS, DETS, ['cat', 'dog', 'owl']))
    table = blocks['classes']
    cat = dict(zip(table.columns, table.rows[0], strict=True))
    # hit, miss, hit of 3: 34 recalls at 1, 33 at 2/3
    ap = (34 + 33 * 2 / 3) / 101
    assert cat['AP'] == cat['AP50'] == pytest.approx(ap, abs=1e-4)
    assert cat['AR'] == pytest.approx(2 / 3, abs=1e-4)
    assert (cat['best score'], cat['F1, 0.3']) == (0.2, 0.4)
    totals = {row[0]: row[1:] for row in blocks['totals'].rows}
    assert totals['all'][:4] == [0.2, 3, 2, 1]
    # F1 with 1, 2, 3 detections, of 4 ground truths: 2/5, 2/6, 4/7
    assert totals['of the greatest F1'][6] == pytest.approx(4 / 7, abs=1e-4)
    assert totals['as in pictures'][:5] == [0.3, 2, 1, 1, 0.5]
    curve = {s.name: s for s in blocks['precision-recall-50'].series}
    assert list(curve) == ['mean over classes', 'cat', 'dog']  # no owl
    assert curve['cat'].y[:34] == [1] * 34
    assert np.mean(curve['cat'].y) == pytest.approx(ap, abs=1e-4)
    assert np.mean(curve['mean over classes'].y) == pytest.approx(ap / 2, abs=1e-4)
    sizes = blocks['recall-by-size']
    assert sizes.labels == [
        '8-16 (small)',
        '16-24 (small)',
        '24-32 (small)',
        '32-48 (medium)',
    ]
    assert sizes.series['all detections'] == [0.3333, None, None, 1]


def test_curves_of_many_classes_are_the_best_and_the_worst(tmp_path):
    # of classes 0 to 14 all is found, of 15 to 29 nothing
    classes = [f'c{k}' for k in range(30)]
    gts = [(image, k, A) for k in range(30) for image in (0, 1)]
    dets = [(image, k, A, 0.9) for k in range(15) for image in (0, 1)]
    curves = blocks_of(sections(tmp_path, gts, dets, classes))['precision-recall-75']
    names = [series.name for series in curves.series]
    assert names == ['mean over classes', *classes[:5], *classes[-5:]]
    assert curves.series[0].y == [0.5] * 101
    assert 'Of 30 classes' in curves.note


def test_a_threshold_of_one_s_own(tmp_path):
    found = sections(tmp_path, GTS, DETS, ['cat', 'dog'], score_thr=0.85)
    assert blocks_of(found)['totals'].rows[2][1:4] == [0.85, 1, 1]
    with pytest.raises(ValueError, match='score_thr must be in'):
        METRICS.build(ConfigDict(type='projects.CocoMetric', score_thr=3))


@pytest.mark.parametrize('classes', [['0'], ['cat']])
def test_a_metric_without_outcome_reports_nothing(tmp_path, classes):
    (tmp_path / 'gt.json').write_text(
        json.dumps(dict(images=[], annotations=[], categories=[dict(id=1, name='x')]))
    )
    metric = METRICS.build(
        dict(type='projects.CocoMetric', ann_file=str(tmp_path / 'gt.json'))
    )
    assert metric.sections(None) == []  # before it
    metric.dataset_meta = dict(classes=classes)
    metric.compute_metrics([])
    assert metric.sections(None) == []
