"""What each operator makes of no input, of views, and of other types."""

import mmcv.ops
import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from random_boxes import random_boxes, random_rois


def ms_deform_attn(value, locations, weights):
    shapes, starts = torch.tensor([[3, 4], [1, 2]]), torch.tensor([0, 12])
    return MultiScaleDeformableAttnFunction.apply(
        value, shapes, starts, locations, weights, 64
    )


def masked_conv(x, mask, weight, bias):
    return mmcv.ops.masked_conv2d(x, mask > 0.5, weight, bias, 1)


def labels(x):
    return torch.arange(len(x)) % x.size(1)


def lanes(num_lanes):
    values = torch.rand(num_lanes, 77) * 20
    values[:, 2] = torch.rand(num_lanes) / 4
    values[:, 4] = 40
    return values


# per operator: a call of it; its inputs whose first size may be 0; and the others
OPS = dict(
    deform_conv=(
        lambda x, offset, weight: mmcv.ops.deform_conv2d(x, offset, weight, 1, 1),
        lambda: [torch.rand(2, 4, 5, 6), torch.randn(2, 18, 5, 6)],
        lambda: [torch.randn(3, 4, 3, 3)],
    ),
    modulated_deform_conv=(
        lambda x, offset, mask, weight, bias: mmcv.ops.modulated_deform_conv2d(
            x, offset, mask, weight, bias, 1, 1
        ),
        lambda: [
            torch.rand(2, 4, 5, 6),
            torch.randn(2, 18, 5, 6),
            torch.rand(2, 9, 5, 6),
        ],
        lambda: [torch.randn(3, 4, 3, 3), torch.randn(3)],
    ),
    ms_deform_attn=(
        ms_deform_attn,
        lambda: [
            torch.rand(2, 14, 2, 4),
            torch.rand(2, 5, 2, 2, 3, 2),
            torch.rand(2, 5, 2, 2, 3),
        ],
        list,
    ),
    carafe=(
        lambda x, masks: mmcv.ops.carafe(x, masks, 3, 2, 2),
        lambda: [torch.rand(2, 4, 5, 6), torch.rand(2, 18, 10, 12)],
        list,
    ),
    roi_align=(
        lambda rois, x: mmcv.ops.roi_align(x, rois, 2, 0.5),
        lambda: [random_rois(4, dtype=torch.float32)],
        lambda: [torch.rand(2, 3, 8, 9)],
    ),
    max_roi_align=(
        lambda rois, x: mmcv.ops.roi_align(x, rois, 2, 0.5, 0, 'max'),
        lambda: [random_rois(4, dtype=torch.float32)],
        lambda: [torch.rand(2, 3, 8, 9)],
    ),
    roi_pool=(
        lambda rois, x: mmcv.ops.roi_pool(x, rois, 2, 0.5),
        lambda: [random_rois(4, dtype=torch.float32)],
        lambda: [torch.rand(2, 3, 8, 9)],
    ),
    deform_roi_pool=(
        lambda rois, offset, x: mmcv.ops.deform_roi_pool(x, rois, offset, (2, 2), 0.5),
        lambda: [random_rois(4, dtype=torch.float32), torch.randn(4, 2, 2, 2)],
        lambda: [torch.rand(2, 3, 8, 9)],
    ),
    sigmoid_focal_loss=(
        lambda x: mmcv.ops.sigmoid_focal_loss(x, labels(x), 2.0, 0.25, None, 'none'),
        lambda: [torch.randn(5, 3)],
        list,
    ),
    softmax_focal_loss=(
        lambda x: mmcv.ops.softmax_focal_loss(x, labels(x), 2.0, 0.25, None, 'sum'),
        lambda: [torch.randn(5, 3)],
        list,
    ),
    masked_conv=(
        masked_conv,
        list,
        lambda: [
            torch.rand(1, 4, 5, 6),
            torch.rand(1, 5, 6),
            torch.randn(3, 4, 3, 3),
            torch.randn(3),
        ],
    ),
    bbox_overlaps=(
        mmcv.ops.bbox_overlaps,
        lambda: [random_boxes(5)],
        lambda: [random_boxes(4)],
    ),
    nms=(
        lambda boxes, scores: mmcv.ops.nms(boxes, scores, 0.3)[1],
        lambda: [random_boxes(9), torch.rand(9)],
        list,
    ),
    soft_nms=(
        lambda boxes, scores: mmcv.ops.soft_nms(boxes, scores, 0.3)[1],
        lambda: [random_boxes(9), torch.rand(9)],
        list,
    ),
    line_nms=(
        lambda boxes, scores: mmcv.ops.line_nms(boxes, scores, 4.0, 5)[0],
        lambda: [lanes(9), torch.rand(9)],
        list,
    ),
)
NAMES = pytest.mark.parametrize('name', OPS)


def inputs(name):
    torch.manual_seed(0)
    op, batched, others = OPS[name]
    return op, batched(), others()


def with_gradients(op, args):
    """Output of ``op``, and the gradients that it gives, if any."""
    args = [arg.detach().requires_grad_() for arg in args]
    outs = op(*args)
    if not outs.requires_grad:
        return outs, []
    grads = torch.autograd.grad(
        outs.square().sum(), args, allow_unused=True, materialize_grads=True
    )
    return outs, grads


def as_view(x):
    """The same values, none of them beside another in memory."""
    return torch.stack([x, x + 7], -1)[..., 0]


@NAMES
def test_views_are_read_as_they_stand(name):
    op, batched, others = inputs(name)
    args = batched + others
    views = [as_view(arg) for arg in args]
    assert not any(view.is_contiguous() for view in views)
    outs, grads = with_gradients(op, args)
    view_outs, view_grads = with_gradients(op, views)
    torch.testing.assert_close(view_outs, outs)
    torch.testing.assert_close(view_grads, grads)
    for arg, view in zip(args, views, strict=True):
        assert torch.equal(arg, view)  # no operator writes to its inputs


@NAMES
def test_double_is_kept(name):
    op, batched, others = inputs(name)
    args = batched + others
    outs, grads = with_gradients(op, args)
    double_outs, double_grads = with_gradients(op, [arg.double() for arg in args])
    if outs.dtype != torch.long:
        assert double_outs.dtype == torch.float64
    close = dict(check_dtype=False, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(double_outs, outs, **close)
    torch.testing.assert_close(double_grads, grads, **close)


@NAMES
def test_autocast_changes_nothing(name):
    op, batched, others = inputs(name)
    args = batched + others
    outs, grads = with_gradients(op, args)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast_outs, cast_grads = with_gradients(op, args)
    # mmcv itself multiplies the matrices of the masked convolution
    close = dict(atol=0.1, rtol=0.1) if name == 'masked_conv' else {}
    torch.testing.assert_close(cast_outs, outs, **close)
    torch.testing.assert_close(cast_grads, grads, **close)


# mmcv refuses the convolutions before it asks for an operator, and masks one
# image only
@pytest.mark.parametrize(
    'name', sorted(OPS.keys() - {'deform_conv', 'modulated_deform_conv', 'masked_conv'})
)
def test_of_nothing_comes_nothing(name):
    op, batched, others = inputs(name)
    shape = op(*batched, *others).shape
    outs, grads = with_gradients(op, [arg[:0] for arg in batched] + others)
    assert outs.shape == ((0, *shape[1:]) if shape else ())
    assert not outs.any()
    assert not any(grad.any() for grad in grads)
