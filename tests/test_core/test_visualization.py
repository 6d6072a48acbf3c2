"""Boxes lie where they should, to the pixel."""

import cv2
import numpy as np
import pytest

from projects.core.tasks.classification.confusion import draw_confusion
from projects.core.tasks.classification.pictures import draw_labels
from projects.core.tasks.detection.pictures import (
    COLOURS,
    MAX_TILES,
    draw_detections,
    draw_grid,
    grid_layout,
)
from projects.core.tasks.drawing import MAX_SIDE

CLASSES = ('cat', 'dog')


def draw(image, boxes=(), labels=(), scores=(), **kwargs):
    return draw_detections(
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.array(scores, np.float32),
        CLASSES,
        **kwargs,
    )


def grey(height, width):
    return np.full((height, width, 3), 128, np.uint8)


def extent(mask):
    """(x1, y1, x2, y2) of the first and last pixels of a mask."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return cols[0], rows[0], cols[-1], rows[-1]


def of_class(picture, label):
    """Pixels of the class's colour; pictures are BGR, colours RGB."""
    return (picture == COLOURS[label][::-1]).all(2)


def test_box_is_where_it_was_found():
    picture = draw(grey(500, 600), [[100, 200, 300, 400]], [1], [0.9])
    mask = of_class(picture, 1)
    assert not of_class(picture, 0).any()
    # two pixels wide, about the border; below row 210 there is no label
    for edge in (mask[300, 99:102], mask[300, 299:302], mask[399:402, 200]):
        assert edge.sum() >= 2
    assert not mask[225:395, 110:295].any()
    assert extent(mask[220:])[0::2] in ((99, 300), (100, 301), (99, 301), (100, 300))


def test_small_images_are_enlarged_with_their_boxes():
    picture = draw(grey(64, 80), [[10, 40, 30, 60]], [0], [0.9])
    assert picture.shape == (448, 560, 3)  # 7 times
    x1, _, x2, y2 = extent(of_class(picture, 0)[340:])
    assert abs(x1 - 70) <= 1
    assert abs(x2 - 210) <= 1
    assert abs(y2 + 340 - 420) <= 1


def test_label_stands_at_the_box_in_black_on_its_colour():
    plain = draw(grey(500, 600))
    picture = draw(grey(500, 600), [[100, 200, 300, 400]], [0], [0.87])
    changed = (picture != plain).any(2)
    black = (picture == 0).all(2)
    assert black.sum() > 100  # strokes of 'cat 0.87'
    x1, y1, x2, y2 = extent(black)
    assert changed[y1:y2, x1:x2].all()  # on a filled ground
    assert 100 <= x1 < x2 < 200
    assert min(abs(y1 - 200), abs(y2 - 200)) < 20
    assert 8 <= y2 - y1 <= 20  # pixels high: legible


def test_threshold_and_ground_truth():
    boxes = [[10, 10, 100, 100], [200, 200, 300, 300]]
    picture = draw(
        grey(500, 600),
        boxes,
        [0, 1],
        [0.29, 0.3],
        gt_bboxes=np.array([[400, 300, 500, 450]]),
    )
    assert not of_class(picture, 0).any()
    assert of_class(picture, 1).any()
    assert extent((picture == 255).all(2)) == (400, 300, 500, 450)


def test_nothing_to_draw_leaves_the_image():
    image = np.random.default_rng(0).integers(0, 256, (448, 500, 3), dtype=np.uint8)
    assert np.array_equal(draw(image, gt_bboxes=np.zeros((0, 4))), image)


def test_boxes_over_the_border_and_without_area_are_drawn_inside():
    picture = draw(
        grey(448, 448),
        [[-50, -50, 600, 600], [900, 900, 990, 990], [30, 30, 30, 30]],
        [0, 1, 1],
        [1, 1, 1],
    )
    assert picture.shape == (448, 448, 3)
    assert of_class(picture, 0)[:, :3].any()
    assert of_class(picture, 1)[-4:, -4:].any()


def test_grid_keeps_the_order_and_pads_with_white():
    images = [np.full((20 + 10 * i, 30, 3), 10 * i, np.uint8) for i in range(5)]
    grid = draw_grid(images)
    # cells of 60 x 30 in a frame of 6 pixels
    assert grid.shape == (2 * 66 + 6, 4 * 36 + 6, 3)
    for i in range(4):
        assert (grid[6, 6 + 36 * i] == 10 * i).all()
    assert (grid[6 + 66, 6] == 40).all()
    assert (grid[6 + 21, 6] == 255).all()  # below the first image
    assert (grid[6 + 66, 6 + 36] == 255).all()  # no sixth image


def test_classes_beyond_the_colours_start_again():
    names = tuple(str(i) for i in range(30))
    picture = draw_detections(
        grey(448, 448),
        np.array([[50.0, 50, 200, 200]]),
        np.array([len(COLOURS) + 2]),
        np.array([0.5]),
        names,
    )
    assert of_class(picture, 2).any()


SHAPES = [(4, 3000), (3000, 4), (2100, 2800), (1, 1), (1, 5000), (64, 80)]


@pytest.mark.parametrize('max_side', [MAX_SIDE, 490, 93])
@pytest.mark.parametrize('shape', SHAPES)
def test_no_side_is_longer_than_a_picture_may_be(shape, max_side):
    height, width = shape
    picture = draw(
        grey(height, width),
        [[0, 0, width, height], [0, 0, width / 2, height / 2]],
        [0, 1],
        [0.9, 0.8],
        gt_bboxes=np.array([[0, 0, width, height]]),
        max_side=max_side,
    )
    assert max(picture.shape) <= max_side
    assert min(picture.shape[:2]) >= min(160, max_side)  # room for a label
    assert of_class(picture, 0).any()


def test_boxes_of_a_reduced_image():
    picture = draw(grey(3000, 4000), [[400, 2000, 1200, 2800]], [0], [0.9])
    assert picture.shape == (1500, 2000, 3)
    x1, _, x2, y2 = extent(of_class(picture, 0)[1010:])
    assert abs(x1 - 200) <= 1
    assert abs(x2 - 600) <= 1
    assert abs(y2 + 1010 - 1400) <= 1


def test_long_name_keeps_its_score():
    names = ('a name longer than any picture is wide ' * 9, 'cat')
    boxes = np.array([[10.0, 100, 90, 200]])
    with_score, other = (
        draw_detections(
            grey(448, 448), boxes, np.array([0]), np.array([score]), names, None, 0.1
        )
        for score in (0.55, 0.88)
    )
    changed = extent((with_score != other).any(2))
    assert changed[0] > 400  # at the right end, inside the picture
    assert 80 <= changed[1] <= changed[3] <= 100


@pytest.mark.parametrize('num_images', [1, 5, 12, 17, MAX_TILES])
@pytest.mark.parametrize('shape', [(600, 800), (4, 3000), (3000, 4), (2, 2)])
def test_no_grid_is_larger_than_a_picture_may_be(num_images, shape):
    side = grid_layout(num_images)[1]
    tile = draw(grey(*shape), [[0, 0, 1, 1]], [0], [0.9], max_side=side)
    grid = draw_grid([tile] * num_images)
    assert max(grid.shape) <= MAX_SIDE
    # whether or not the tiles were drawn for it
    assert max(draw_grid([grey(*shape)] * min(num_images, 5)).shape) <= MAX_SIDE


@pytest.mark.parametrize('shape', SHAPES)
def test_picture_of_classes_is_no_larger_than_a_picture_may_be(shape):
    best = [{'label': i, 'class': 'a cat ' * 99, 'score': 0.2} for i in range(5)]
    picture = draw_labels(grey(*shape), best, (0, 'a\ncat'))
    assert max(picture.shape) <= MAX_SIDE


@pytest.mark.parametrize('num_classes', [1, 30, 1000])
def test_confusion_matrix_is_no_larger_than_a_picture_may_be(num_classes, tmp_path):
    names = [f'${i} $x^{{ a class of a long name' for i in range(num_classes)]
    path = str(tmp_path / 'a.png')
    draw_confusion(np.eye(num_classes, dtype=int), names, path)
    height, width = cv2.imread(path).shape[:2]
    assert max(height, width) <= MAX_SIDE
    assert min(height, width) > 400
