"""Which default box answers for which object: by hand and against the
authors' rule, pair by pair."""

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from projects.ssd.matching import match, pairwise_iou


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def lines(*rights):
    """Boxes from 0 to here, 10 high: their IoU is the quotient of widths."""
    return boxes(*((0, 0, right, 10) for right in rights))


def random_boxes(generator, num_boxes, size=100, least=2.0):
    corners = torch.rand(num_boxes, 2, 2, generator=generator).sort(1).values
    corners[:, 1] += least / size
    return corners.flatten(1) * size


def matched(gt_bboxes, default_boxes, **kwargs):
    """Objects of the default boxes of a single image."""
    return match(gt_bboxes, [len(gt_bboxes)], default_boxes, **kwargs)[0].tolist()


def match_in_turn(ious, iou_thr=0.5):
    """The authors' rule for one image, ious (objects, default boxes)."""
    result = np.full(ious.shape[1], -1)
    left = ious.copy()
    while left.size and left.max() > 0:
        i, box = np.unravel_index(left.argmax(), left.shape)
        result[box] = i
        left[i] = left[:, box] = 0
    for box in np.flatnonzero(result < 0):
        if len(ious) and ious[:, box].max() >= iou_thr:
            result[box] = ious[:, box].argmax()
    return result


def test_iou_by_hand():
    # 20 x 10 and 20 x 10, a quarter of each in common: 50 / 350; the third
    # only touches the first
    ious = pairwise_iou(
        boxes((0, 0, 20, 10)), boxes((0, 0, 20, 10), (10, 5, 30, 15), (20, 0, 30, 10))
    )
    torch.testing.assert_close(ious, torch.tensor([[1, 1 / 7, 0]]))


def test_iou_is_that_of_torchvision():
    generator = torch.Generator().manual_seed(0)
    first, second = (random_boxes(generator, n) for n in (70, 90))
    ious = pairwise_iou(first, second)
    assert (ious > 0).float().mean() > 0.2
    torch.testing.assert_close(ious, box_iou(first, second))


@pytest.mark.parametrize(
    'box', [(5, 5, 5, 5), (5, 2, 5, 8), (-10, 5, 30, 5), (0, 0, 0, 10)]
)
def test_iou_of_a_box_without_area_is_0(box):
    assert pairwise_iou(boxes(box), boxes((0, 0, 10, 10))).tolist() == [[0]]
    assert pairwise_iou(boxes((0, 0, 10, 10)), boxes(box)).tolist() == [[0]]


def test_iou_leaves_the_boxes_as_they_are():
    generator = torch.Generator().manual_seed(0)
    first, second = (random_boxes(generator, n) for n in (3, 4))
    before = first.clone(), second.clone()
    pairwise_iou(first, second)
    assert torch.equal(first, before[0])
    assert torch.equal(second, before[1])


@pytest.mark.parametrize('bipartite', [True, False])
def test_best_default_box_of_an_object_is_its_own(bipartite):
    # IoU 0.3, 0.4, 0.1, all below the threshold
    assert matched(lines(100), lines(30, 40, 10), bipartite=bipartite) == [-1, 0, -1]


@pytest.mark.parametrize('bipartite', [True, False])
def test_default_boxes_above_the_threshold_are_matched_besides(bipartite):
    # IoU 0.49, 0.5, 0.9, 0.8
    assert matched(lines(100), lines(49, 50, 90, 80), bipartite=bipartite) == [
        -1,
        0,
        0,
        0,
    ]


def test_threshold_is_an_argument():
    assert matched(lines(100), lines(49, 50, 90, 80), iou_thr=0.85) == [-1, -1, 0, -1]


def test_default_box_takes_the_object_it_overlaps_best():
    # 70, 60 and 50 of 90 are more than of 100
    assert matched(lines(100, 90), lines(100, 90, 70, 60, 50)) == [0, 1, 1, 1, 1]


def test_own_default_box_is_kept_from_a_better_object():
    # the second object's best is the second default box, by 5 / 50, of which
    # the first object has 50 / 100; its own is the first
    gt_bboxes = boxes((0, 0, 100, 10), (45, 0, 50, 10))
    default_boxes = boxes((0, 0, 100, 10), (0, 0, 50, 10))
    assert matched(gt_bboxes, default_boxes) == [0, 1]


# Objects of 80 and 70 both choose 80, by 1 and 0.875. Next best for 70 is 100
# by 0.7, as 20 has 0.29.
CONTESTED = lines(100, 80, 20)


@pytest.mark.parametrize(
    ('widths', 'expected'), [((80, 70), [1, 0, -1]), ((70, 80), [0, 1, -1])]
)
def test_contested_default_box_goes_to_the_larger_iou(widths, expected):
    assert matched(lines(*widths), CONTESTED) == expected


@pytest.mark.parametrize('widths', [(80, 70), (70, 80)])
def test_contested_default_box_goes_to_the_later_one_as_in_mmdet(widths):
    # 100 is no object's own and goes to the better one, 0.8 and 0.7
    best = widths.index(80)
    assert matched(lines(*widths), CONTESTED, bipartite=False) == [best, 1, -1]


def test_who_was_refused_may_displace_another():
    # 100 and 60 first ask for 90 and 80, by 0.9 and 0.75. 95 has 0.95 of 90;
    # 100 next asks for 80, by 0.8, and 60 goes on to 20.
    assert matched(lines(100, 95, 60), lines(90, 80, 20)) == [1, 0, 2]


def test_same_object_twice_has_two_default_boxes():
    assert matched(lines(80, 80), CONTESTED) == [1, 0, -1]


@pytest.mark.parametrize('seed', range(6))
def test_crowded_images_are_matched_as_in_the_authors_code(seed):
    # from few objects among many default boxes to the other way round, some
    # images with objects twice, and one image in the midst without any
    generator = torch.Generator().manual_seed(seed)
    default_boxes = random_boxes(generator, 24, least=8)
    images = []
    for num_objects in (1, 3, 8, 0, 15, 20, 30, 50):
        bboxes = random_boxes(generator, num_objects)
        # half of the objects near default boxes, several to each
        near = default_boxes[torch.randint(8, (num_objects // 2,), generator=generator)]
        bboxes[: len(near)] = near + torch.rand(near.shape, generator=generator)
        images.append(torch.cat([bboxes, bboxes[: num_objects // 4]]))
    counts = [len(image) for image in images]
    first = np.cumsum(counts) - counts
    result = match(torch.cat(images), counts, default_boxes).numpy()
    for row, start, image in zip(result, first, images, strict=True):
        expected = match_in_turn(pairwise_iou(image, default_boxes).numpy())
        expected[expected >= 0] += start
        assert row.tolist() == expected.tolist()


def test_no_object_is_without_a_default_box_that_it_overlaps():
    # all contain the origin, so that all overlap all
    generator = torch.Generator().manual_seed(0)
    default_boxes, gt_bboxes = (
        (torch.rand(n, 4, generator=generator) + 0.1) * boxes((-1, -1, 1, 1))
        for n in (30, 20)
    )
    result = matched(gt_bboxes, default_boxes)
    assert set(range(20)) <= set(result)


def test_more_objects_than_default_boxes():
    # IoU with 100: 0.9, 0.8, 0.7; with 60: 0.67, 0.75, 0.857
    assert matched(lines(90, 80, 70), lines(100, 60)) == [0, 2]


@pytest.mark.parametrize('bipartite', [True, False])
def test_images_are_independent(bipartite):
    generator = torch.Generator().manual_seed(0)
    default_boxes = random_boxes(generator, 40)
    counts = [5, 0, 1, 12, 5, 0]
    images = random_boxes(generator, sum(counts)).split(counts)
    together = match(torch.cat(images), counts, default_boxes, bipartite=bipartite)
    first = 0
    for row, image in zip(together, images, strict=True):
        (alone,) = match(image, [len(image)], default_boxes, bipartite=bipartite)
        assert row.tolist() == torch.where(alone >= 0, alone + first, -1).tolist()
        first += len(image)


@pytest.mark.parametrize('bipartite', [True, False])
@pytest.mark.parametrize(
    'box', [(5, 5, 5, 5), (0, 5, 100, 5), (20, 0, 20, 10), (200, 0, 300, 10)]
)
def test_objects_that_overlap_nothing_have_no_default_box(box, bipartite):
    # neither alone nor beside others, whose match stays
    assert matched(boxes(box), CONTESTED, bipartite=bipartite) == [-1] * 3
    others = boxes(box, (0, 0, 80, 10), box)
    # IoU 0.8, 1 and 0.25
    assert matched(others, CONTESTED, bipartite=bipartite) == [1, 1, -1]


@pytest.mark.parametrize('bipartite', [True, False])
@pytest.mark.parametrize('box', [(torch.nan, 0, 0, 10), (10, 0, 0, 10)])
def test_boxes_that_are_none_take_nothing_from_others(box, bipartite):
    # inside out, minus the area of the first default box: the union is 0
    default_boxes = boxes((0, 0, 10, 10), (20, 20, 40, 40))
    assert matched(boxes(box, (0, 0, 10, 9)), default_boxes, bipartite=bipartite) == [
        1,
        -1,
    ]


@pytest.mark.parametrize('bipartite', [True, False])
def test_no_objects_at_all(bipartite):
    result = match(boxes(), [0, 0], CONTESTED, bipartite=bipartite)
    assert result.tolist() == [[-1] * 3] * 2


@pytest.mark.parametrize('counts', [[0, 2, 0], [0, 0, 2], [2, 0, 0]])
def test_images_without_objects_among_others(counts):
    result = match(lines(100, 20), counts, CONTESTED)
    # 80 has 0.8 of the first
    assert result.tolist() == [[0, 0, 1] if count else [-1] * 3 for count in counts]
