"""Overlap and suppression of boxes and lanes."""

import mmcv.ops
import numpy as np
import pytest
import torch
from random_boxes import random_boxes

from projects.core.mmcv_ops import ops

# IoU of the first two: 50 / 100 = 1/2. With the last pixel counted (offset 1)
# they are 11 x 11 and 11 x 6, and IoU is 66 / 121 = 6/11.
BOXES = torch.tensor(
    [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0], [20.0, 20.0, 30.0, 30.0]]
)
SCORES = torch.tensor([0.9, 0.8, 0.85])


@pytest.mark.parametrize(
    ('iou_threshold', 'offset', 'kept'),
    [
        (0.4, 0, [0, 2]),
        (0.5, 0, [0, 2, 1]),  # not above the threshold
        (0.5, 1, [0, 2]),
        (0.55, 1, [0, 2, 1]),
    ],
)
def test_nms(iou_threshold, offset, kept):
    dets, inds = mmcv.ops.nms(BOXES, SCORES, iou_threshold, offset)
    assert inds.tolist() == kept
    assert torch.equal(dets, torch.cat([BOXES, SCORES[:, None]], 1)[kept])


def test_nms_compares_with_the_threshold_in_float32():
    # IoU 2 / 5, and float32(0.4) is above 0.4 in double
    boxes = torch.tensor([[0.0, 0.0, 5.0, 1.0], [0.0, 0.0, 2.0, 1.0]])
    assert ops.nms(boxes, SCORES[:2], 0.4, 0).tolist() == [0, 1]


def test_nms_of_half_scores_and_of_none():
    assert ops.nms(BOXES, SCORES.half(), 0.4, 0).tolist() == [0, 2]
    assert ops.nms(BOXES.half(), SCORES.half(), 0.4, 0).tolist() == [0, 2]
    assert ops.nms(BOXES[:0], SCORES[:0], 0.4, 0).tolist() == []


def test_batched_nms_keeps_boxes_of_other_classes():
    config = dict(type='nms', iou_threshold=0.4)
    _, same = mmcv.ops.batched_nms(BOXES, SCORES, torch.tensor([0, 0, 0]), config)
    _, other = mmcv.ops.batched_nms(BOXES, SCORES, torch.tensor([0, 1, 0]), config)
    assert same.tolist() == [0, 2]
    assert other.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ('method', 'offset', 'score'),
    [
        ('linear', 0, 0.8 * (1 - 1 / 2)),
        ('linear', 1, 0.8 * (1 - 6 / 11)),
        ('gaussian', 0, 0.8 * np.exp(-((1 / 2) ** 2) / 0.5)),
    ],
)
def test_soft_nms_decays_the_score(method, offset, score):
    dets, inds = mmcv.ops.soft_nms(
        BOXES, SCORES, 0.3, sigma=0.5, method=method, offset=offset
    )
    assert inds.tolist() == [0, 2, 1]
    assert dets[:, 4].tolist() == pytest.approx([0.9, 0.85, score])
    assert torch.equal(dets[:, :4], BOXES[inds])


def test_soft_nms_drops_what_falls_below_the_score():
    # 0.8 * 1/2 = 0.4
    for min_score, kept in [(0.39, [0, 2, 1]), (0.41, [0, 2])]:
        dets, inds = mmcv.ops.soft_nms(BOXES, SCORES, 0.3, min_score=min_score)
        assert inds.tolist() == kept
        assert len(dets) == len(kept)


def test_naive_soft_nms_is_nms():
    torch.manual_seed(0)
    boxes, scores = random_boxes(60), torch.rand(60)
    dets, inds = mmcv.ops.nms(boxes, scores, 0.3)
    soft_dets, soft_inds = mmcv.ops.soft_nms(
        boxes, scores, 0.3, min_score=0.0, method='naive'
    )
    num_kept = int((soft_dets[:, 4] > 0).sum())
    assert len(inds) == num_kept < 60
    assert torch.equal(soft_inds[:num_kept], inds)
    assert torch.equal(soft_dets[:num_kept], dets)


def test_soft_nms_leaves_equal_scores_in_the_order_of_mmcv():
    # 0 is chosen and drops 1 and 2; mmcv fills the gap of 1 with the last box
    # and that of 2 with the one before, so 4 comes before 3 in a tie.
    boxes = torch.tensor(
        [
            [0.0, 0.0, 10.0, 10.0],
            [0.0, 0.0, 10.0, 9.0],
            [0.0, 0.0, 9.0, 10.0],
            [20.0, 0.0, 30.0, 10.0],
            [40.0, 0.0, 50.0, 10.0],
        ]
    )
    scores = torch.tensor([0.9, 0.5, 0.5, 0.5, 0.5])
    _, inds = mmcv.ops.soft_nms(boxes, scores, 0.3, method='naive')
    assert inds.tolist() == [0, 4, 3]


def test_nms_match():
    dets = torch.cat([BOXES, SCORES[:, None]], 1)
    # at least the threshold, unlike nms
    groups = mmcv.ops.nms_match(dets, 0.5)
    assert [group.tolist() for group in groups] == [[0, 1], [2]]
    groups = mmcv.ops.nms_match(dets, 0.51)
    assert [group.tolist() for group in groups] == [[0], [2], [1]]


@pytest.mark.parametrize(
    ('mode', 'offset', 'expected'),
    [
        ('iou', 0, 50 / 100),
        ('iou', 1, 66 / 121),
        ('iof', 0, 50 / 50),
        ('iof', 1, 66 / 66),
    ],
)
def test_bbox_overlaps(mode, offset, expected):
    small, large, far = BOXES[1], BOXES[0], BOXES[2]
    overlaps = mmcv.ops.bbox_overlaps(
        torch.stack([small, far]), torch.stack([large, far, small]), mode, offset=offset
    )
    torch.testing.assert_close(overlaps, torch.tensor([[expected, 0, 1], [0, 1, 0]]))
    aligned = mmcv.ops.bbox_overlaps(
        torch.stack([small, small]),
        torch.stack([large, far]),
        mode,
        aligned=True,
        offset=offset,
    )
    torch.testing.assert_close(aligned, torch.tensor([expected, 0]))


def lane(start, length, offsets):
    """A row of line NMS: its first row of 71, number of rows, x per row."""
    return torch.tensor([0, 0, start / 71, 0, length, *offsets], dtype=torch.float64)


FAR = [500.0] * 72


# lanes in the order of their scores; rows 10 to 29 of the first are at x = 100
@pytest.mark.parametrize(
    ('other', 'thresh', 'near'),
    [
        (lane(10, 20, [102.0] * 72), 2.01, True),
        (lane(10, 20, [102.0] * 72), 2.0, False),  # below, not at the threshold
        (lane(10, 20, [98.0] * 72), 2.01, True),
        (lane(29, 20, [101.0] * 72), 1.5, True),  # row 29 is shared
        (lane(30, 20, [101.0] * 72), 1.5, False),  # none is
        # of rows 20 to 29 a tenth is 10 away, and what is not shared is no matter
        (lane(20, 40, [*FAR[:20], 110.0, *[100.0] * 9, *FAR[30:]]), 1.01, True),
        (lane(20, 40, [*FAR[:20], 110.0, *[100.0] * 9, *FAR[30:]]), 1.0, False),
        (lane(10, 0, [100.0] * 72), 1.0, False),  # without rows
        (lane(-5, 40, [100.0] * 72), 1.0, True),  # starts before the first
        (lane(10, 200, [100.0] * 72), 1.0, True),  # ends after the last
    ],
)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_line_nms_of_two(other, thresh, near, dtype):
    lanes = torch.stack([lane(10, 20, [100.0] * 72), other]).to(dtype)
    keep, num_kept, parents = mmcv.ops.line_nms(
        lanes, torch.tensor([0.9, 0.8]), thresh, 5
    )
    assert keep.tolist() == ([0, 0] if near else [0, 1])
    assert num_kept.item() == (1 if near else 2)
    assert parents.tolist() == ([1, 1] if near else [1, 2])


@pytest.mark.parametrize(
    ('thresh', 'top_k', 'kept', 'parents'),
    [
        (0.5, 5, [0, 2, 3, 4], [1, 2, 2, 3, 4]),
        (0.0, 5, [0, 2, 1, 3, 4], [1, 3, 2, 4, 5]),
        (1.0, 5, [0, 2, 3, 4], [1, 2, 2, 3, 4]),
        (1.0, 1, [0], [1, 0, 0, 0, 0]),
    ],
)
def test_line_nms_as_tested_by_mmcv(thresh, top_k, kept, parents):
    # lanes and numbers of its tests/test_ops/test_line_nms.py. Lane 1 goes, for
    # the kernel takes it for the lane of second score, of which it is near.
    lanes = torch.stack(
        [
            lane(0.1 * 71, 30, [10.0] * 72),
            lane(0.12 * 71, 28, [12.0] * 72),
            lane(0.2 * 71, 40, range(72)),
            lane(0.3 * 71, 35, [x / 2 for x in range(72)]),
            lane(0.21 * 71, 38, range(1, 73)),
        ]
    )
    scores = torch.tensor([0.9, 0.7, 0.8, 0.6, 0.5])
    keep, num_kept, numbers = mmcv.ops.line_nms(lanes, scores, thresh, top_k)
    assert num_kept.item() == len(kept)
    assert keep.tolist() == kept + [0] * (5 - len(kept))
    assert numbers.tolist() == parents


def test_line_nms_of_none_and_of_other_lanes():
    keep, num_kept, parents = mmcv.ops.line_nms(
        torch.zeros(0, 77), torch.zeros(0), 0.5, 5
    )
    assert (len(keep), num_kept.item(), len(parents)) == (0, 0, 0)
    with pytest.raises(ValueError, match=r'shape \(2, 80\), expected \(N, 77\)'):
        mmcv.ops.line_nms(torch.zeros(2, 80), torch.zeros(2), 0.5, 5)
