"""The operators that stand in for mmcv's compiled ones.

They are called as mmcv calls them, through its own autograd functions. That
mmcv's extension here is the fallback does not matter: each test sets it.
"""

import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import projects  # noqa: F401 - mmcv.ops needs it to have been imported

# isort: split
import mmcv.ops
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from projects.core import mmcv_ops
from projects.core.mmcv_ops import ops
from projects.core.mmcv_ops.ops import MissingOpError

COMMAND = 'pip install --no-build-isolation --no-cache-dir onedl-mmcv'
OPS_DIR = Path(mmcv.ops.__file__).parent


@pytest.fixture(autouse=True)
def fallback(monkeypatch):
    """The fallback extension, which all of ``mmcv.ops`` uses."""
    extension = ModuleType('mmcv._ext')
    mmcv_ops.fill(extension)
    for name, module in list(sys.modules.items()):
        if name.startswith('mmcv.ops.') and hasattr(module, 'ext_module'):
            monkeypatch.setattr(module, 'ext_module', extension)
    return extension


def random_boxes(num_boxes, size=60.0):
    boxes = torch.rand(num_boxes, 4) * size
    boxes[:, 2:] = boxes[:, :2] + torch.rand(num_boxes, 2) * size / 2 + 1
    return boxes


def random_rois(num_rois, num_images=2, size=16.0, dtype=torch.float64):
    images = torch.randint(num_images, (num_rois, 1))
    return torch.cat([images, random_boxes(num_rois, size) - 2], 1).to(dtype)


# --- boxes

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


# --- regions


@pytest.mark.parametrize('sampling_ratio', [0, 2])  # 0: also 2 a side here
@pytest.mark.parametrize(
    ('pool_mode', 'shift'),
    [
        ('avg', 0.0),  # the mean of a linear function is its value at the centre
        ('max', 0.5),  # samples are half a pixel about the centre
    ],
)
@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align_of_a_ramp(sampling_ratio, pool_mode, shift, aligned):
    # Pixel (y, x) holds 10 y + x; bilinear samples of that are exact.
    ramp = 10 * torch.arange(8.0)[:, None] + torch.arange(8.0)
    rois = torch.tensor([[1.0, 2.0, 4.0, 10.0, 12.0]])  # (1, 2, 5, 6) on the map
    outs = mmcv.ops.roi_align(
        torch.stack([torch.zeros(8, 8), ramp])[:, None],
        rois,
        (2, 2),
        0.5,
        sampling_ratio,
        pool_mode,
        aligned,
    )
    centres = torch.tensor([[2.0, 4.0], [3.0, 5.0]])  # x and y, bins of 2 pixels
    x, y = centres + shift - (0.5 if aligned else 0)
    torch.testing.assert_close(outs[0, 0], 10 * y[:, None] + x)


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('pool_mode', ['avg', 'max'])
def test_gradient_of_roi_align(pool_mode, sampling_ratio, aligned):
    torch.manual_seed(0)
    x = torch.rand(2, 2, 7, 6, dtype=torch.float64, requires_grad=True)
    rois = random_rois(4)
    assert gradcheck(
        lambda x: mmcv.ops.roi_align(
            x, rois, (2, 3), 0.5, sampling_ratio, pool_mode, aligned
        ),
        x,
    )


def test_max_roi_align_refuses_a_region_without_an_area():
    rois = torch.tensor([[0.0, 2.0, 2.0, 2.0, 5.0]])
    with pytest.raises(ValueError, match='without an area'):
        mmcv.ops.roi_align(torch.rand(1, 1, 8, 8), rois, 2, 1.0, 0, 'max')


def naive_roi_pool(x, rois, size, scale):
    outs = x.new_zeros(len(rois), x.size(1), *size)
    height, width = x.shape[2:]
    for k, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        top, bin_h = y1 * scale, (y2 + 1 - y1) * scale / size[0]
        left, bin_w = x1 * scale, (x2 + 1 - x1) * scale / size[1]
        for i, j in np.ndindex(*size):
            # pixel p covers [p, p + 1)
            rows = [
                p
                for p in range(height)
                if p + 1 > top + i * bin_h and p < top + (i + 1) * bin_h
            ]
            cols = [
                p
                for p in range(width)
                if p + 1 > left + j * bin_w and p < left + (j + 1) * bin_w
            ]
            if rows and cols:
                outs[k, :, i, j] = x[int(image)][:, rows][:, :, cols].amax((1, 2))
    return outs


def test_roi_pool():
    torch.manual_seed(0)
    x = -torch.rand(2, 3, 9, 7, dtype=torch.float64)  # below the 0 of no pixel
    rois = random_rois(12, size=20.0)
    outs = mmcv.ops.roi_pool(x, rois, (3, 2), 0.5)
    assert (outs == 0).any()  # some bins are outside
    torch.testing.assert_close(outs, naive_roi_pool(x, rois, (3, 2), 0.5))


def test_roi_pool_of_a_region_outside_or_inverted_is_zero():
    rois = torch.tensor([[0.0, 90.0, 90.0, 95.0, 95.0], [0.0, 5.0, 5.0, 2.0, 2.0]])
    x = torch.ones(1, 1, 8, 8, requires_grad=True)
    outs = mmcv.ops.roi_pool(x, rois, 2, 1.0)
    outs.sum().backward()
    assert not outs.any()
    assert not x.grad.any()


def test_gradient_of_roi_pool():
    torch.manual_seed(0)
    x = torch.rand(2, 2, 7, 6, dtype=torch.float64, requires_grad=True)
    rois = random_rois(4)
    assert gradcheck(lambda x: mmcv.ops.roi_pool(x, rois, (2, 3), 0.5), x)


# --- focal losses


@pytest.mark.parametrize(
    ('logit', 'target', 'expected'),
    [
        # p = sigmoid(0) = 1/2: 0.25 * (1/2)^2 * ln 2
        (0.0, 0, 0.25 * 0.25 * np.log(2)),
        # negative: 0.75 * p^2 * ln 2, p = 1/2
        (0.0, 1, 0.75 * 0.25 * np.log(2)),
        # p = sigmoid(ln 3) = 3/4: 0.25 * (1/4)^2 * ln(4/3)
        (np.log(3), 0, 0.25 / 16 * np.log(4 / 3)),
        # 1 - p = 1/4: 0.75 * (3/4)^2 * ln 4
        (np.log(3), 1, 0.75 * 9 / 16 * np.log(4)),
        # 1 - p is 0 in float32, its logarithm is -30
        (30.0, 1, 0.75 * 30),
    ],
)
def test_sigmoid_focal_loss(logit, target, expected):
    # one class, so that label 1 is the background
    loss = mmcv.ops.sigmoid_focal_loss(
        torch.tensor([[logit]], dtype=torch.float32),
        torch.tensor([target]),
        2.0,
        0.25,
        None,
        'sum',
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def sigmoid_focal_formula(logits, target, gamma, alpha, weight):
    positive = F.one_hot(target, logits.size(1) + 1)[:, :-1].bool()
    p = logits.sigmoid()
    loss = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * p.log(),
        (alpha - 1) * p**gamma * (1 - p).log(),
    )
    return loss if weight is None else loss * weight[target][:, None]


def softmax_focal_formula(logits, target, gamma, alpha, weight):
    p = logits.softmax(1)[torch.arange(len(target)), target]
    loss = -alpha * (1 - p) ** gamma * p.log()
    return loss if weight is None else loss * weight[target]


@pytest.mark.parametrize('reduction', ['sum', 'mean'])
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('gamma', [2.0, 0.5])
@pytest.mark.parametrize(
    ('op', 'formula'),
    [
        (mmcv.ops.sigmoid_focal_loss, sigmoid_focal_formula),
        (mmcv.ops.softmax_focal_loss, softmax_focal_formula),
    ],
)
def test_focal_losses_and_gradients(op, formula, gamma, weighted, reduction):
    torch.manual_seed(0)
    logits = torch.randn(6, 4, dtype=torch.float64) * 3
    target = torch.tensor([0, 1, 2, 3, 1, 0])
    weight = torch.rand(4, dtype=torch.float64) + 0.5 if weighted else None
    ours, theirs = logits.clone(), logits.clone()
    loss = op(ours.requires_grad_(), target, gamma, 0.3, weight, reduction)
    expected = formula(theirs.requires_grad_(), target, gamma, 0.3, weight).sum()
    if reduction == 'mean':  # over the samples
        expected = expected / 6
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_background_of_the_sigmoid_focal_loss():
    logits = torch.randn(2, 3, dtype=torch.float64)
    target = torch.tensor([3, 3])  # num_classes
    loss = mmcv.ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    torch.testing.assert_close(
        loss, sigmoid_focal_formula(logits, target, 2.0, 0.25, None)
    )


def test_softmax_focal_loss_ignores_negative_labels():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = mmcv.ops.softmax_focal_loss(
        logits, torch.tensor([-1, 1]), 2.0, 0.25, None, 'none'
    )
    assert loss[0] == 0
    assert loss[1] > 0
    mmcv.ops.softmax_focal_loss(logits, torch.tensor([-1, 1])).backward()
    assert not logits.grad[0].any()
    assert logits.grad[1].all()


@pytest.mark.parametrize('gamma', [0.0, 0.5])
def test_softmax_focal_gradient_of_a_certain_prediction_is_zero(gamma):
    # p = 1, and 1 - p is raised to gamma - 1 < 0
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    mmcv.ops.softmax_focal_loss(logits, torch.tensor([0]), gamma).backward()
    assert logits.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ('op', 'label', 'weight', 'match'),
    [
        (mmcv.ops.sigmoid_focal_loss, 4, None, 'label 4 is above 3'),
        (mmcv.ops.sigmoid_focal_loss, 3, torch.ones(3), 'label 3 is above 2'),
        (mmcv.ops.sigmoid_focal_loss, -1, torch.ones(3), 'label -1 is below 0'),
        (mmcv.ops.softmax_focal_loss, 3, None, 'label 3 is above 2'),
    ],
)
def test_focal_losses_refuse_labels_out_of_range(op, label, weight, match):
    with pytest.raises(ValueError, match=match):
        op(torch.zeros(2, 3), torch.tensor([0, label]), 2.0, 0.25, weight)


def test_sigmoid_focal_loss_without_samples():
    loss = mmcv.ops.sigmoid_focal_loss(
        torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), 2.0, 0.25, None, 'sum'
    )
    assert loss == 0


# --- deformable sampling


@pytest.mark.parametrize(
    ('stride', 'padding', 'dilation', 'groups'),
    [(1, 1, 1, 1), ((2, 1), (0, 2), (1, 2), 2)],
)
def test_deform_conv_without_offset_is_a_convolution(stride, padding, dilation, groups):
    x = torch.randn(2, 4, 9, 8)
    weight = torch.randn(6, 4 // groups, 3, 2)
    expected = F.conv2d(x, weight, None, stride, padding, dilation, groups)
    offset = torch.zeros(2, 2 * 2 * 6, *expected.shape[2:])
    outs = mmcv.ops.deform_conv2d(
        x, offset, weight, stride, padding, dilation, groups, 2
    )
    torch.testing.assert_close(outs, expected, atol=1e-5, rtol=1e-5)

    mask, bias = torch.full_like(offset[:, :12], 0.5), torch.randn(6)
    outs = mmcv.ops.modulated_deform_conv2d(
        x, offset, mask, weight, bias, stride, padding, dilation, groups, 2
    )
    torch.testing.assert_close(
        outs, expected / 2 + bias[:, None, None], atol=1e-5, rtol=1e-5
    )


def test_deform_conv_moves_its_samples_by_the_offset():
    x = torch.arange(20.0).view(1, 1, 4, 5)
    offset = torch.zeros(1, 2, 4, 5)
    offset[:, 0] = 1.0  # y
    offset[:, 1] = -0.5  # x
    outs = mmcv.ops.deform_conv2d(x, offset, torch.ones(1, 1, 1, 1))
    # One row down adds 5 and half a pixel left takes 0.5; outside is 0, so
    # that the first column is half the pixel below.
    assert outs[0, 0, 0].tolist() == [2.5, 5.5, 6.5, 7.5, 8.5]
    assert outs[0, 0, 3].tolist() == [0.0] * 5


@pytest.mark.parametrize('groups', [1, 2])
def test_gradients_of_deform_conv(groups):
    torch.manual_seed(0)
    args = [
        torch.randn(2, 4, 4, 5),
        torch.randn(2, 16, 4, 5),
        torch.rand(2, 8, 4, 5),
        torch.randn(2, 4 // groups, 2, 2),
        torch.randn(2),
    ]
    x, offset, mask, weight, bias = (a.double().requires_grad_() for a in args)
    # 4 x 5 pixels, padded by 1, stride (1, 1), kernel 2, dilation 2: 4 x 5
    geometry = (1, 1, 2, groups, 2)
    assert gradcheck(
        lambda *args: mmcv.ops.deform_conv2d(*args, *geometry),
        (x, offset, weight),
        fast_mode=True,
    )
    assert gradcheck(
        lambda *args: mmcv.ops.modulated_deform_conv2d(*args, *geometry),
        (x, offset, mask, weight, bias),
        fast_mode=True,
    )
    assert gradcheck(
        lambda *args: mmcv.ops.modulated_deform_conv2d(*args, None, *geometry),
        (x, offset, mask, weight),
        fast_mode=True,
    )


def ms_deform_attn(*args):
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
    )

    return MultiScaleDeformableAttnFunction.apply(*args, 64)


def test_ms_deform_attn_by_hand():
    # maps [[1, 2], [3, 4]] and [[8]], one head of one channel
    value = torch.tensor([1.0, 2.0, 3.0, 4.0, 8.0]).view(1, 5, 1, 1)
    shapes, starts = torch.tensor([[2, 2], [1, 1]]), torch.tensor([0, 4])
    # one query, two points a map: the middle of all four pixels, 2.5; the
    # centre of pixel (0, 1), 2; that of the 1 x 1 map, 8; its right edge, 4
    locations = torch.tensor([[[0.5, 0.5], [0.75, 0.25]], [[0.5, 0.5], [1.0, 0.5]]])
    weights = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    outs = ms_deform_attn(
        value, shapes, starts, locations[None, None, None], weights[None, None, None]
    )
    assert outs.shape == (1, 1, 1)
    # 0.25 + 0.4 + 2.4 + 1.6
    assert outs.item() == pytest.approx(4.65)


def test_ms_deform_attn_and_gradients():
    from mmcv.ops.multi_scale_deform_attn import (
        multi_scale_deformable_attn_pytorch,
    )

    torch.manual_seed(0)
    shapes = torch.tensor([[4, 3], [2, 2]])
    starts = torch.tensor([0, 12])
    inputs = [
        torch.randn(2, 16, 3, 4),
        torch.rand(2, 5, 3, 2, 2, 2) * 1.4 - 0.2,  # some outside
        torch.rand(2, 5, 3, 2, 2),
    ]
    value, locations, weights = (x.double().requires_grad_() for x in inputs)
    outs = ms_deform_attn(value, shapes, starts, locations, weights)
    expected = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    torch.testing.assert_close(outs, expected)
    grads = torch.autograd.grad(outs.sin().sum(), (value, locations, weights))
    expected = torch.autograd.grad(expected.sin().sum(), (value, locations, weights))
    for grad, other in zip(grads, expected, strict=True):
        torch.testing.assert_close(grad, other)


# --- operators without a fallback


def names_that_mmcv_asks_for():
    names = set()
    for path in OPS_DIR.glob('*.py'):
        names |= set(re.findall(r'ext_module\.(\w+)', path.read_text()))
    return names


def test_every_operator_of_mmcv_works_or_says_how_to_install_it(fallback):
    names = names_that_mmcv_asks_for()
    assert set(ops.__all__) <= names  # each is one of mmcv's
    missing = names - set(ops.__all__)
    assert 'box_iou_rotated' in missing
    for name in missing:
        op = getattr(fallback, name)
        with pytest.raises(MissingOpError, match=f"'{name}'") as info:
            op(1, two=2)
        assert COMMAND in str(info.value)


def test_missing_operator_through_mmcv():
    with pytest.raises(NotImplementedError, match='box_iou_rotated') as info:
        mmcv.ops.box_iou_rotated(torch.rand(2, 5), torch.rand(3, 5))
    assert COMMAND in str(info.value)


def test_other_attributes_are_missing(fallback):
    assert not hasattr(fallback, '__path__')
    with pytest.raises(AttributeError, match='_private'):
        fallback._private  # noqa: B018


def test_environment_report_knows_that_nothing_is_compiled():
    assert mmcv.ops.get_compiler_version() == 'none (operators of MMAtlas)'
    assert mmcv.ops.get_compiling_cuda_version() == 'not available'


# --- how the extension is found


def run(code, cwd):
    """stdout of ``code`` in a fresh process that finds ``cwd`` first."""
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=cwd,
        timeout=600,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def fake_mmcv(tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').touch()
    return package


def test_install_is_done_once_and_last():
    before = list(sys.meta_path)
    mmcv_ops.install()
    assert sys.meta_path == before  # projects did it
    finders = [f for f in before if isinstance(f, mmcv_ops.FallbackFinder)]
    assert len(finders) == 1


def test_fallback_is_found_without_importing_torch(fake_mmcv):
    done = run(
        'import sys, importlib.util\n'
        'from projects.core import mmcv_ops\n'
        'mmcv_ops.install()\n'
        'assert isinstance(sys.meta_path[-1], mmcv_ops.FallbackFinder)\n'
        'spec = importlib.util.find_spec("mmcv._ext")\n'
        'assert importlib.util.find_spec("mmcv._other") is None\n'
        'heavy = {"torch", "torchvision", "mmengine"} & set(sys.modules)\n'
        'print(spec.name, spec.origin, sorted(heavy))',
        fake_mmcv.parent,
    )
    assert done.stdout.split() == ['mmcv._ext', 'projects.core.mmcv_ops', '[]']


def test_compiled_extension_is_preferred(fake_mmcv):
    (fake_mmcv / '_ext.py').write_text('nms = "compiled"')
    done = run('import projects, mmcv._ext; print(mmcv._ext.nms)', fake_mmcv.parent)
    assert done.stdout == 'compiled\n'
    assert done.stderr == ''


def test_broken_extension_is_reported_and_replaced(fake_mmcv):
    suffix = '.so' if sys.platform != 'win32' else '.pyd'
    (fake_mmcv / f'_ext{suffix}').write_bytes(b'not a library')
    done = run(
        'import projects, mmcv._ext, torch\n'
        'print(mmcv._ext.__spec__.origin)\n'
        'boxes = torch.tensor([[0., 0., 2., 2.], [0., 0., 2., 2.]])\n'
        'print(mmcv._ext.nms(boxes, torch.tensor([1., 2.]), 0.5, 0).tolist())',
        fake_mmcv.parent,
    )
    assert done.stdout.splitlines() == ['projects.core.mmcv_ops', '[1]']
    assert len(done.stderr.splitlines()) == 1
    assert COMMAND in done.stderr


def test_extension_that_fails_on_execution_is_replaced(tmp_path, caplog):
    path = tmp_path / '_ext.py'
    path.write_text('raise ImportError("undefined symbol: _ZN1\\nmore")')
    spec = spec_from_file_location('mmcv._ext', path)
    spec.loader = mmcv_ops.CompiledLoader(spec)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.nms is ops.nms
    (record,) = caplog.records
    assert 'undefined symbol: _ZN1' in record.getMessage()
    assert '\n' not in record.getMessage()


def test_other_errors_of_an_extension_are_not_hidden(tmp_path):
    path = tmp_path / '_ext.py'
    path.write_text('1 / 0')
    spec = spec_from_file_location('mmcv._ext', path)
    spec.loader = mmcv_ops.CompiledLoader(spec)
    with pytest.raises(ZeroDivisionError):
        spec.loader.exec_module(module_from_spec(spec))
