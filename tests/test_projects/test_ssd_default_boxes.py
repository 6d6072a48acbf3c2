"""Default boxes of SSD and the coding of boxes by them, by hand and as others
have them."""

from math import log, sqrt

import pytest
import torch
from mmdet.models.task_modules import SSDAnchorGenerator
from mmengine.config import Config
from torchvision.models import detection
from torchvision.ops import box_convert

from projects.core.variants import config_root
from projects.ssd.default_boxes import DefaultBoxes, decode, encode
from projects.ssd.head import SSDHead
from projects.ssd.matching import pairwise_iou

# sides of the square maps of each variant
MAPS = dict(
    ssd300_vgg16=(38, 19, 10, 5, 3, 1),
    ssd300_vgg16_coco91=(38, 19, 10, 5, 3, 1),
    ssd512_vgg16=(64, 32, 16, 8, 4, 2, 1),
    ssdlite320_mobilenet_v2=(20, 10, 5, 3, 2, 1),
    ssdlite320_mobilenet_v3_large=(20, 10, 5, 3, 2, 1),
)


def settings_of(name):
    cfg = Config.fromfile(config_root() / f'_base_/models/{name}.py')
    return cfg.model.bbox_head.default_boxes


def boxes_of(name):
    return DefaultBoxes(**settings_of(name))([(n, n) for n in MAPS[name]])


TWO_LEVELS = dict(
    min_sizes=(10, 32), max_sizes=(40, 50), ratios=((4,), ()), steps=(20, 60)
)


def two_levels(**kwargs):
    """Squares of 10 and 20, lying and standing boxes of 20 by 5; squares of
    32 and 40."""
    return DefaultBoxes(**TWO_LEVELS | kwargs)


@pytest.mark.parametrize(
    ('name', 'num_boxes'),
    [
        # 38^2 * 4 + (19^2 + 10^2 + 5^2) * 6 + (3^2 + 1) * 4
        ('ssd300_vgg16', 8732),
        ('ssd300_vgg16_coco91', 8732),
        # (64^2 + 2^2 + 1) * 4 + (32^2 + 16^2 + 8^2 + 4^2) * 6
        ('ssd512_vgg16', 24564),
        # (20^2 + 10^2 + 5^2 + 3^2 + 2^2 + 1) * 6
        ('ssdlite320_mobilenet_v2', 3234),
        ('ssdlite320_mobilenet_v3_large', 3234),
    ],
)
def test_num_boxes_of_the_variants(name, num_boxes):
    assert boxes_of(name).shape == (num_boxes, 4)


@pytest.mark.parametrize(
    ('name', 'size', 'first', 'least'),
    [('ssd300_vgg16', 300, 7, 15), ('ssd512_vgg16', 512, 4, 10)],
)
def test_sizes_follow_the_rule_of_the_paper(name, size, first, least):
    # Sec. 2.2, Eq. 4, as the authors' code has it: percent of the input from
    # `least` to 90 on the levels after the first, in whole steps
    num_levels = len(MAPS[name])
    step = (90 - least) // (num_levels - 2)
    percent = [first, *(least + step * i for i in range(num_levels))]
    sizes = [size * p // 100 for p in percent]
    settings = settings_of(name)
    assert list(settings.min_sizes) == sizes[:-1]
    assert list(settings.max_sizes) == sizes[1:]


@pytest.mark.parametrize('name', ['ssd300_vgg16', 'ssd512_vgg16'])
def test_ratio_3_is_left_out_of_the_first_and_the_last_two_levels(name):
    middle = len(MAPS[name]) - 3
    assert list(map(tuple, settings_of(name).ratios)) == [
        (2,),
        *[(2, 3)] * middle,
        (2,),
        (2,),
    ]


@pytest.mark.parametrize(
    ('name', 'sizes'),
    [
        ('ssd300_vgg16', dict(input_size=300, basesize_ratio_range=(0.15, 0.9))),
        ('ssd512_vgg16', dict(input_size=512, basesize_ratio_range=(0.1, 0.9))),
        (
            'ssdlite320_mobilenet_v2',
            dict(
                min_sizes=[48, 100, 150, 202, 253, 304],
                max_sizes=[100, 150, 202, 253, 304, 320],
            ),
        ),
    ],
)
def test_boxes_are_those_of_mmdet(name, sizes):
    settings = settings_of(name)
    generator = SSDAnchorGenerator(
        strides=settings.steps, ratios=settings.ratios, scale_major=False, **sizes
    )
    expected = torch.cat(
        generator.grid_priors([(n, n) for n in MAPS[name]], device='cpu')
    )
    torch.testing.assert_close(
        box_convert(boxes_of(name), 'cxcywh', 'xyxy'), expected, atol=2e-4, rtol=0
    )


@pytest.mark.parametrize(
    ('name', 'model', 'size'),
    [
        ('ssd300_vgg16_coco91', 'ssd300_vgg16', 300),
        ('ssdlite320_mobilenet_v3_large', 'ssdlite320_mobilenet_v3_large', 320),
    ],
)
def test_boxes_are_those_of_torchvision(name, model, size):
    with torch.device('meta'):  # weights are not needed
        generator = detection.__dict__[model](
            weights=None, weights_backbone=None
        ).anchor_generator
    shares = generator._grid_default_boxes([(n, n) for n in MAPS[name]], (size, size))
    torch.testing.assert_close(boxes_of(name), shares * size, atol=2e-4, rtol=0)


def test_the_first_boxes_of_ssd300():
    # s = 21, s' = 45; a step of 8 makes the first centre 4
    between, long, short = sqrt(21 * 45), 21 * sqrt(2), 21 / sqrt(2)
    torch.testing.assert_close(
        boxes_of('ssd300_vgg16')[:5],
        torch.tensor(
            [
                [4, 4, 21, 21],
                [4, 4, between, between],
                [4, 4, long, short],
                [4, 4, short, long],
                [12, 4, 21, 21],
            ]
        ),
    )


def test_the_last_boxes_of_ssd300_are_in_the_middle():
    # s = 261, s' = 315; the only position of a step of 300
    between, long, short = sqrt(261 * 315), 261 * sqrt(2), 261 / sqrt(2)
    torch.testing.assert_close(
        boxes_of('ssd300_vgg16')[-4:],
        torch.tensor(
            [
                [150, 150, 261, 261],
                [150, 150, between, between],
                [150, 150, long, short],
                [150, 150, short, long],
            ]
        ),
    )


def test_order_is_level_row_column_box():
    # a first map of 2 rows and 3 columns, a second one of 2 and 1
    boxes = two_levels()([(2, 3), (2, 1)])
    first, second = boxes[:24].view(2, 3, 4, 4), boxes[24:].view(2, 1, 2, 4)
    # (row, column, box)
    assert first[0, 2, 0].tolist() == [50, 10, 10, 10]
    assert first[1, 0, 1].tolist() == [10, 30, 20, 20]
    assert first[1, 1, 2].tolist() == [30, 30, 20, 5]
    assert first[1, 2, 3].tolist() == [50, 30, 5, 20]
    assert second[1, 0, 0].tolist() == [30, 90, 32, 32]
    assert second[1, 0, 1].tolist() == [30, 90, 40, 40]


def test_num_boxes_of_a_position():
    assert two_levels().num_boxes == [4, 2]


def test_longer_sides_are_cut_to_max_side():
    boxes = two_levels(max_side=15)([(1, 1), (1, 1)])
    assert boxes[:, 2:].tolist() == [
        [10, 10],
        [15, 15],
        [15, 5],
        [5, 15],
        [15, 15],
        [15, 15],
    ]


def test_boxes_of_a_shape_are_made_once():
    default_boxes = two_levels()
    boxes = default_boxes([(2, 3), (1, 1)])
    # as a head asks for them
    again = default_boxes([torch.Size((2, 3)), torch.Size((1, 1))], torch.device('cpu'))
    assert again is boxes


def test_boxes_of_another_shape_are_others():
    default_boxes = two_levels()
    # the last of the first level, of as many boxes
    assert default_boxes([(2, 3), (1, 1)])[23, :2].tolist() == [50, 30]
    assert default_boxes([(3, 2), (1, 1)])[23, :2].tolist() == [30, 50]


def test_boxes_of_another_device_are_others():
    default_boxes = two_levels()
    assert default_boxes([(2, 3), (1, 1)]).is_cpu
    assert default_boxes([(2, 3), (1, 1)], 'meta').is_meta


@pytest.mark.parametrize('name', ['min_sizes', 'max_sizes', 'ratios', 'steps'])
def test_levels_must_be_as_many_in_all(name):
    with pytest.raises(ValueError, match=f'3 {name}.*of each is needed'):
        two_levels(**{name: ((5,),) * 3 if name == 'ratios' else (5,) * 3})


def test_maps_must_be_as_many_as_levels():
    with pytest.raises(ValueError, match='longer'):
        two_levels()([(2, 3)])


def test_encoding_by_hand():
    # centre (30, 14), sides 40 and 20, on a default box of centre (20, 20)
    # and sides 50 and 10: 10 / 50 / 0.1, -6 / 10 / 0.1, ln(40 / 50) / 0.2,
    # ln(20 / 10) / 0.2
    coded = encode(
        torch.tensor([[10.0, 4, 50, 24]]), torch.tensor([[20.0, 20, 50, 10]])
    )
    torch.testing.assert_close(coded, torch.tensor([[2, -6, 5 * log(0.8), 5 * log(2)]]))


def test_decoding_by_hand():
    # the centre moves by (0.1 * 50, -0.2 * 10), the sides grow by exp(0.2)
    # and shrink by exp(-0.4)
    decoded = decode(
        torch.tensor([[1.0, -2, 1, -2]]), torch.tensor([[20.0, 20, 50, 10]])
    )
    # 50 * 1.2214028 / 2 = 30.535069, 10 * 0.67032 / 2 = 3.3516
    torch.testing.assert_close(
        decoded,
        torch.tensor([[25 - 30.535069, 18 - 3.3516, 25 + 30.535069, 18 + 3.3516]]),
    )


def test_encode_decode_round_trip():
    torch.manual_seed(0)
    default_boxes = boxes_of('ssd300_vgg16')
    corners = (torch.rand(len(default_boxes), 2, 2) * 299).sort(1).values
    bboxes = (corners + torch.tensor([[[0.0], [1.0]]])).flatten(1)
    torch.testing.assert_close(
        decode(encode(bboxes, default_boxes), default_boxes), bboxes, atol=1e-3, rtol=0
    )


def test_round_trip_of_a_box_larger_than_the_image():
    bboxes = torch.tensor([[-400.0, -100, 800, 500]])
    default_boxes = boxes_of('ssd300_vgg16')[:1]
    torch.testing.assert_close(
        decode(encode(bboxes, default_boxes), default_boxes), bboxes
    )


def test_decoded_sides_are_62_and_a_half_times_the_default_ones_at_most():
    default_boxes = torch.tensor([[20.0, 20, 50, 10]])
    huge = decode(torch.tensor([[0.0, 0, 1e6, 1e38]]), default_boxes)
    # half sides 62.5 * 25 = 1562.5 and 62.5 * 5 = 312.5
    torch.testing.assert_close(huge, torch.tensor([[-1542.5, -292.5, 1582.5, 332.5]]))


def test_small_sides_are_not_capped():
    small = decode(
        torch.tensor([[0.0, 0, -1e6, -1e6]]), torch.tensor([[20.0, 20, 50, 10]])
    )
    assert small.tolist() == [[20, 20, 20, 20]]


@pytest.mark.parametrize('name', ['ssd300_vgg16', 'ssdlite320_mobilenet_v2'])
def test_best_ious_are_those_of_all_default_boxes(name):
    torch.manual_seed(0)
    centres = torch.rand(300, 2) * 340 - 20  # some outside
    sides = torch.rand(300, 2).square() * 300 + 1
    bboxes = torch.cat([centres - sides / 2, centres + sides / 2], 1)
    maps = [(n, n + 2) for n in MAPS[name]]
    default_boxes = DefaultBoxes(**settings_of(name))
    every = box_convert(default_boxes(maps), 'cxcywh', 'xyxy')
    expected = pairwise_iou(bboxes, every).amax(1)
    torch.testing.assert_close(
        default_boxes.best_ious(bboxes, maps), expected, rtol=1e-4, atol=1e-5
    )


def test_objects_out_of_reach_by_hand():
    """At (10, 10) a square of 10 has IoU 1, one of 7 has 0.49, one of 15 has 0.44 with
    the square of 10 and 0.56 with that of 20."""
    head = SSDHead(2, (8, 8), TWO_LEVELS)
    bboxes = torch.tensor(
        [[5, 5, 15, 15], [6.5, 6.5, 13.5, 13.5], [2.5, 2.5, 17.5, 17.5]]
    )
    ((missed, text, advice),) = head.out_of_reach(
        bboxes, torch.zeros(3).long(), (60, 60), [(3, 3), (1, 1)]
    )
    assert missed.tolist() == [False, True, False]
    assert 'no default box (IoU of 0.5 or more) at 60 x 60' in text
    assert 'sides of 10 to 32 pixels' in advice
