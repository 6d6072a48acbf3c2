"""Suppression and the best detections of each image, without a model."""

import pytest
import torch
from torchvision.ops import batched_nms as torchvision_nms

from projects.core.tasks.detection.head import batched_nms, to_instances


def random_boxes(num_boxes, size=100.0, side=40.0):
    """(num_boxes, 4) xyxy, unsorted, many of which overlap."""
    corner = torch.rand(num_boxes, 2) * size
    return torch.cat([corner, corner + torch.rand(num_boxes, 2) * side], 1)


def metas(*images):
    """``(scale_factor, ori_shape)`` of each image."""
    return [dict(scale_factor=factor, ori_shape=shape) for factor, shape in images]


def column(*scores):
    """Boxes that do not overlap, one for each score."""
    top = torch.arange(len(scores)) * 20.0
    left = torch.zeros(len(scores))
    return (torch.stack([left, top, left + 10, top + 10], 1), torch.tensor(scores))


@pytest.mark.parametrize('iou_thr', [0.2, 0.45, 0.7])
@pytest.mark.parametrize(
    ('num_boxes', 'num_groups'), [(2000, 300), (2000, 20), (600, 1), (3, 3)]
)
def test_those_that_torchvision_keeps(num_boxes, num_groups, iou_thr):
    torch.manual_seed(num_boxes + num_groups)
    bboxes, scores = random_boxes(num_boxes), torch.rand(num_boxes)
    groups = torch.randint(num_groups, (num_boxes,)) * 7  # with gaps
    expected = torch.zeros(num_boxes, dtype=torch.bool)
    expected[torchvision_nms(bboxes, scores, groups, iou_thr)] = True
    stays = batched_nms(bboxes, scores, groups, iou_thr)
    assert torch.equal(stays, expected)
    assert num_boxes == 3 or 0 < stays.sum() < num_boxes


def test_order_of_the_boxes_does_not_matter():
    torch.manual_seed(0)
    bboxes, scores = random_boxes(300), torch.rand(300)
    groups = torch.randint(4, (300,))
    shuffled = torch.randperm(300)
    stays = batched_nms(bboxes, scores, groups, 0.45)
    assert torch.equal(
        batched_nms(bboxes[shuffled], scores[shuffled], groups[shuffled], 0.45),
        stays[shuffled],
    )


def test_what_a_suppressed_box_would_suppress_stays():
    # 10 x 10 each, 4 apart: IoU of neighbours 6 / 14, of the outer two 2 / 18
    bboxes = torch.tensor([[8.0, 0, 18, 10], [0.0, 0, 10, 10], [4.0, 0, 14, 10]])
    scores = torch.tensor([0.7, 0.9, 0.8])
    stays = batched_nms(bboxes, scores, torch.zeros(3, dtype=torch.long), 0.4)
    assert stays.tolist() == [True, True, False]


@pytest.mark.parametrize('num_boxes', [2, 9, 50])
def test_of_a_long_chain_every_other_stays(num_boxes):
    # as above: each overlaps the next alone, and is better than it
    left = torch.arange(num_boxes) * 4.0
    top = torch.zeros(num_boxes)
    bboxes = torch.stack([left, top, left + 10, top + 10], 1)
    scores = torch.linspace(0.9, 0.1, num_boxes)
    stays = batched_nms(bboxes, scores, torch.zeros(num_boxes).long(), 0.4)
    assert stays.nonzero().flatten().tolist() == list(range(0, num_boxes, 2))


def test_an_iou_at_the_threshold_is_not_above_it():
    # half of the first box: 50 / 100, exact in float32
    bboxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 5]])
    scores, groups = torch.tensor([0.9, 0.8]), torch.tensor([0, 0])
    assert batched_nms(bboxes, scores, groups, 0.5).tolist() == [True, True]
    assert batched_nms(bboxes, scores, groups, 0.49).tolist() == [True, False]


def test_groups_do_not_meet():
    bboxes = torch.tensor([[0.0, 0, 10, 10]]).expand(4, 4)
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    stays = batched_nms(bboxes, scores, torch.tensor([0, 1, 0, 1]), 0.5)
    assert stays.tolist() == [True, True, False, False]


def test_of_equal_scores_the_first_wins():
    bboxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 9], [0.0, 0, 10, 8]])
    # long enough a group that an unstable sort would not keep its order
    bboxes = bboxes.repeat(100, 1)
    stays = batched_nms(bboxes, torch.full((300,), 0.5), torch.zeros(300).long(), 0.5)
    assert stays.nonzero().flatten().tolist() == [0]


def test_max_per_group_leaves_the_best_of_each_group():
    bboxes, scores = column(0.1, 0.5, 0.3, 0.4, 0.2)
    groups = torch.tensor([1, 1, 1, 0, 0])
    stays = batched_nms(bboxes, scores, groups, 0.5, max_per_group=2)
    assert stays.tolist() == [False, True, True, True, True]


def test_max_per_group_counts_candidates_not_what_stays():
    # the second goes, and leaves no room for the third
    bboxes, scores = column(0.9, 0.8, 0.7)
    bboxes[1] = bboxes[0]
    stays = batched_nms(bboxes, scores, torch.zeros(3).long(), 0.5, max_per_group=2)
    assert stays.tolist() == [True, False, False]


@pytest.mark.parametrize('max_per_group', [1, 7, 10_000])
def test_max_per_group_is_suppression_of_each_group_s_best(max_per_group):
    torch.manual_seed(1)
    bboxes, scores = random_boxes(800), torch.rand(800)
    groups = torch.randint(20, (800,))
    expected = torch.zeros(800, dtype=torch.bool)
    for group in range(20):
        own = (groups == group).nonzero().flatten()
        best = own[scores[own].argsort(descending=True)[:max_per_group]]
        kept = torchvision_nms(bboxes[best], scores[best], groups[best], 0.45)
        expected[best[kept]] = True
    stays = batched_nms(bboxes, scores, groups, 0.45, max_per_group)
    assert torch.equal(stays, expected)


@pytest.mark.parametrize('max_per_group', [None, 5])
def test_no_boxes_at_all(max_per_group):
    stays = batched_nms(
        torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long(), 0.5, max_per_group
    )
    assert stays.shape == (0,)
    assert stays.dtype == torch.bool


def test_boxes_without_area_neither_go_nor_suppress():
    # a point twice, a line, and a box around them
    bboxes = torch.tensor(
        [[5.0, 5, 5, 5], [5.0, 5, 5, 5], [0.0, 5, 10, 5], [0.0, 0, 10, 10]]
    )
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    stays = batched_nms(bboxes, scores, torch.zeros(4).long(), 0.1)
    assert stays.all()


def test_scores_fall_within_each_image():
    bboxes, scores = column(0.2, 0.3, 0.9, 0.5, 0.4)
    first, second = to_instances(
        bboxes,
        scores,
        torch.arange(5) + 10,
        torch.tensor([1, 0, 1, 0, 1]),
        [{}, {}],
        10,
        rescale=False,
    )
    assert first.labels.tolist() == [13, 11]
    assert second.labels.tolist() == [12, 14, 10]
    torch.testing.assert_close(second.scores, torch.tensor([0.9, 0.4, 0.2]))
    torch.testing.assert_close(second.bboxes, bboxes[[2, 4, 0]])


def test_max_per_img_leaves_the_best_of_each_image():
    bboxes, scores = column(0.1, 0.3, 0.2, 0.9, 0.8, 0.6)
    first, second, third = to_instances(
        bboxes,
        scores,
        torch.arange(6),
        torch.tensor([0, 0, 0, 1, 2, 2]),
        [{}] * 3,
        2,
        rescale=False,
    )
    assert first.labels.tolist() == [1, 2]
    assert second.labels.tolist() == [3]
    assert third.labels.tolist() == [4, 5]


def test_of_equal_scores_the_first_comes_first():
    bboxes, _ = column(*range(300))
    (instances,) = to_instances(
        bboxes,
        torch.full((300,), 0.5),
        torch.arange(300),
        torch.zeros(300).long(),
        [{}],
        100,
        rescale=False,
    )
    assert instances.labels.tolist() == list(range(100))


def test_images_without_detections():
    bboxes, scores = column(0.5)
    instances = to_instances(
        bboxes,
        scores,
        torch.tensor([3]),
        torch.tensor([1]),
        metas(*[((1.0, 1.0), (50, 50))] * 4),
        10,
    )
    assert [len(x) for x in instances] == [0, 1, 0, 0]
    assert instances[0].bboxes.shape == (0, 4)
    assert instances[3].scores.shape == instances[3].labels.shape == (0,)


def test_no_detections_at_all():
    none = torch.zeros(0)
    instances = to_instances(
        torch.zeros(0, 4),
        none,
        none.long(),
        none.long(),
        metas(*[((1.0, 1.0), (50, 50))] * 2),
        10,
    )
    assert [tuple(x.bboxes.shape) for x in instances] == [(0, 4), (0, 4)]


def test_each_image_has_its_own_scale():
    bboxes = torch.tensor([[10.0, 20, 30, 40]]).repeat(2, 1)
    first, second = to_instances(
        bboxes,
        torch.tensor([0.5, 0.6]),
        torch.tensor([0, 0]),
        torch.tensor([1, 0]),
        metas(((2.0, 0.5), (200, 200)), ((0.1, 4.0), (400, 400))),
        10,
    )
    # x / 2 and y / 0.5; x / 0.1 and y / 4
    torch.testing.assert_close(first.bboxes, torch.tensor([[5.0, 40, 15, 80]]))
    torch.testing.assert_close(second.bboxes, torch.tensor([[100.0, 5, 300, 10]]))


def test_boxes_end_where_their_original_image_does():
    # sizes of the original images are (height, width)
    bboxes = torch.tensor([[10.0, 20, 100, 100]]).repeat(2, 1)
    first, second = to_instances(
        bboxes,
        torch.tensor([0.5, 0.6]),
        torch.tensor([0, 0]),
        torch.tensor([0, 1]),
        metas(((1.0, 1.0), (60, 90)), ((2.0, 2.0), (30, 45))),
        10,
    )
    assert first.bboxes.tolist() == [[10, 20, 90, 60]]
    assert second.bboxes.tolist() == [[5, 10, 45, 30]]


def test_without_rescale_boxes_stay_as_they_are():
    bboxes = torch.tensor([[10.0, 20, 100, 100]])
    (instances,) = to_instances(
        bboxes,
        torch.tensor([0.5]),
        torch.tensor([0]),
        torch.tensor([0]),
        metas(((2.0, 2.0), (30, 45))),
        10,
        rescale=False,
    )
    assert torch.equal(instances.bboxes, bboxes)
