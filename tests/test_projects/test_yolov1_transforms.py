"""Augmentation of YOLOv1."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from projects.yolov1 import RandomEdgeJitter, RandomHSVScale


def sample(*boxes):
    return dict(
        img=np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8),
        gt_bboxes=HorizontalBoxes(np.float32(boxes).reshape(-1, 4)),
        gt_bboxes_labels=np.arange(len(boxes)),
        gt_ignore_flags=np.zeros(len(boxes), bool),
    )


def jittered(edges, results, **kwargs):
    transform = RandomEdgeJitter(**kwargs)
    transform._edges = lambda: np.array(edges)
    return transform(results)


def test_inward_edges_crop():
    before = sample((20, 10, 50, 30))['img']
    # left 0.1 * 60 = 6, top 0.2 * 40 = 8, right -12, bottom 0
    out = jittered((0.1, 0.2, -0.2, 0), sample((20, 10, 50, 30)))
    assert out['img'].shape == (32, 42, 3)
    assert out['img_shape'] == (32, 42)
    np.testing.assert_array_equal(out['img'], before[8:, 6:48])
    # moved by (-6, -8), then cut at the right, at 42
    assert out['gt_bboxes'].tensor.tolist() == [[14, 2, 42, 22]]


def test_outward_edges_pad_with_grey():
    before = sample()['img']
    out = jittered((-0.1, -0.1, 0.1, 0.2), sample((20, 10, 50, 30)))
    assert out['img'].shape == (40 + 4 + 8, 60 + 6 + 6, 3)
    np.testing.assert_array_equal(out['img'][4:44, 6:66], before)
    assert (out['img'][:4] == 128).all()
    assert (out['img'][44:] == 128).all()
    assert out['gt_bboxes'].tensor.tolist() == [[26, 14, 56, 34]]


def test_boxes_left_outside_go_with_their_labels():
    # left edge moves in by 12: the first box is outside, of the second a
    # tenth is left, of the third all
    out = jittered(
        (0.2, 0, 0, 0), sample((0, 0, 10, 10), (3, 0, 13, 10), (30, 0, 40, 10))
    )
    assert out['gt_bboxes'].tensor.tolist() == [[18, 0, 28, 10]]
    assert out['gt_bboxes_labels'].tolist() == [2]
    assert len(out['gt_ignore_flags']) == 1
    out = jittered(
        (0.2, 0, 0, 0), sample((0, 0, 10, 10), (3, 0, 13, 10)), min_visible=0
    )
    assert out['gt_bboxes_labels'].tolist() == [1]


def test_an_image_without_boxes():
    out = jittered((0.1, 0, 0, 0), sample())
    assert out['gt_bboxes'].tensor.shape == (0, 4)


def test_edges_stay_within_the_jitter():
    np.random.seed(0)
    shapes = np.array([RandomEdgeJitter(0.2)(sample())['img'].shape for _ in range(50)])
    assert shapes[:, 0].min() >= 24
    assert shapes[:, 0].max() <= 56
    assert len(set(map(tuple, shapes))) > 10


@pytest.mark.parametrize(
    ('factors', 'expected'),
    [
        # pure red at value 200: half the value is 100, hue and saturation stay
        ((1, 0.5), (0, 0, 100)),
        # half the saturation of full red: white's share rises to half of 200
        ((0.5, 1), (100, 100, 200)),
        ((1, 1.5), (0, 0, 255)),  # 300 is cut
    ],
)
def test_hsv_by_hand(factors, expected):
    transform = RandomHSVScale()
    transform._draw = lambda: (0.0, np.array(factors))
    image = np.full((2, 2, 3), (0, 0, 200), np.uint8)  # BGR
    out = transform(dict(img=image))['img'][0, 0]
    np.testing.assert_allclose(out, expected, atol=1)


def test_a_third_of_the_hue_circle_turns_red_to_green():
    transform = RandomHSVScale(hue=0.5)
    transform._draw = lambda: (1 / 3, np.ones(2))
    image = np.full((1, 1, 3), (0, 0, 200), np.uint8)
    np.testing.assert_allclose(
        transform(dict(img=image))['img'][0, 0], (0, 200, 0), atol=1
    )


def test_factors_and_their_inverses_are_drawn():
    np.random.seed(0)
    transform = RandomHSVScale(saturation=2, exposure=1.5)
    factors = np.array([transform._draw()[1] for _ in range(500)])
    assert ((factors[:, 0] >= 0.5) & (factors[:, 0] <= 2)).all()
    assert ((factors[:, 1] >= 1 / 1.5) & (factors[:, 1] <= 1.5)).all()
    assert 0.4 < (factors < 1).mean() < 0.6


def test_boxes_are_kept_as_tensors():
    out = jittered((0, 0, 0, 0), sample((1, 2, 3, 4)))
    assert isinstance(out['gt_bboxes'].tensor, torch.Tensor)
