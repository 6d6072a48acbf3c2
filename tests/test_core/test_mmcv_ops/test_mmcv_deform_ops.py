"""Sampling at learnt positions."""

import mmcv.ops
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck


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
