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


# One row of pixels, 2, 3 and 5, sampled at x; the derivative by x is that to the
# right, and nothing moves at -1 or before, or at 3 or beyond.
@pytest.mark.parametrize(
    ('x', 'value', 'by_x'),
    [
        (-1.5, 0.0, 0.0),
        (-1.0, 0.0, 0.0),
        (-0.5, 1.0, 2.0),
        (0.0, 2.0, 1.0),
        (1.0, 3.0, 2.0),
        (1.5, 4.0, 2.0),
        (2.0, 5.0, -5.0),
        (2.5, 2.5, -5.0),
        (3.0, 0.0, 0.0),
        (3.5, 0.0, 0.0),
    ],
)
@pytest.mark.parametrize('modulated', [False, True])
@pytest.mark.parametrize('axis', [0, 1])  # the row is a column for 0
def test_gradients_at_the_edge(axis, modulated, x, value, by_x):
    pixels = torch.tensor([2.0, 3.0, 5.0])
    image = pixels.view(1, 1, 3, 1) if axis == 0 else pixels.view(1, 1, 1, 3)
    image.requires_grad_()
    # one sample, 4 before the first pixel without its offset
    offset = torch.zeros(1, 2, 1, 1)
    offset[0, axis] = x + 4
    offset.requires_grad_()
    mask = torch.full((1, 1, 1, 1), 0.5, requires_grad=True)
    weight = torch.ones(1, 1, 1, 1, requires_grad=True)
    padding = (4, 0) if axis == 0 else (0, 4)
    if modulated:
        outs = mmcv.ops.modulated_deform_conv2d(
            image, offset, mask, weight, None, 99, padding
        )
        factor = 0.5
    else:
        outs = mmcv.ops.deform_conv2d(image, offset, weight, 99, padding)
        factor = 1.0
    outs.sum().backward()
    assert outs.flatten().tolist() == [factor * value]
    # below and above the only row there is nothing: it moves as its own value
    assert offset.grad[0, axis].item() == factor * by_x
    assert offset.grad[0, 1 - axis].item() == -factor * value
    assert weight.grad.item() == factor * value
    if modulated:
        assert mask.grad.item() == value
    weights = (1 - (torch.arange(3.0) - x).abs()).clamp(min=0)
    assert image.grad.flatten().tolist() == (factor * weights).tolist()


# Numbers of mmcv's own test, tests/test_ops/test_modulated_deform_conv.py
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16])
def test_numbers_of_mmcv_for_modulated_deform_conv(dtype):
    layer = mmcv.ops.ModulatedDeformConv2dPack(1, 1, 2, padding=1, bias=False)
    layer.weight.data.fill_(1.0)
    layer.type(dtype)
    x = torch.tensor([[[[1.0, 2.0, 3.0]] * 3]], dtype=dtype, requires_grad=True)
    outs = layer(x)
    outs.sum().backward()
    ends, middle = [0.5, 1.5, 2.5, 1.5], [1.0, 3.0, 5.0, 3.0]
    assert outs.tolist() == [[[ends, middle, middle, ends]]]
    assert x.grad.tolist() == [[[[2.0] * 3] * 3]]
    assert layer.weight.grad.tolist() == [[[[9.0, 9.0], [9.0, 9.0]]]]
    assert layer.conv_offset.weight.grad[:, 0].tolist() == [
        [[-7.0, -4.0], [0.0, 0.0]],
        [[-9.0, 7.5], [-6.0, 5.0]],
        [[-4.0, -7.0], [0.0, 0.0]],
        [[-7.5, -9.0], [-5.0, -6.0]],
        [[-7.0, -4.0], [-7.0, -4.0]],
        [[-6.0, 5.0], [-9.0, 7.5]],
        [[-4.0, -7.0], [-4.0, -7.0]],
        [[-5.0, -6.0], [-7.5, -9.0]],
        [[10.5, 6.0], [7.0, 4.0]],
        [[6.0, 10.5], [4.0, 7.0]],
        [[7.0, 4.0], [10.5, 6.0]],
        [[4.0, 7.0], [6.0, 10.5]],
    ]
    assert layer.conv_offset.bias.grad.tolist() == [-3.0, -1.5] * 4 + [4.5] * 4


# Numbers of mmcv's own test, tests/test_ops/test_deform_conv.py
@pytest.mark.parametrize('batch_size', [1, 10])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_numbers_of_mmcv_for_deform_conv(dtype, batch_size):
    layer = mmcv.ops.DeformConv2dPack(1, 1, 2, im2col_step=2)
    offset_weight = [
        [0.1, 0.4, 0.6, 0.1],
        [0.3, 0.2, 0.1, 0.3],
        [0.5, 0.5, 0.2, 0.8],
        [0.8, 0.3, 0.9, 0.1],
        [0.3, 0.1, 0.2, 0.5],
        [0.3, 0.7, 0.5, 0.3],
        [0.6, 0.2, 0.5, 0.3],
        [0.4, 0.1, 0.8, 0.4],
    ]
    layer.conv_offset.weight.data = torch.tensor(offset_weight).view(8, 1, 2, 2)
    layer.conv_offset.bias.data = torch.tensor([0.7, 0.1, 0.8, 0.5, 0.6, 0.5, 0.4, 0.7])
    layer.weight.data = torch.tensor([0.4, 0.2, 0.1, 0.9]).view(1, 1, 2, 2)
    layer.type(dtype)
    image = [[1.0, 2.0, 3.0], [0.0, 1.0, 2.0], [3.0, 5.0, 2.0]]
    x = torch.tensor([[image]] * batch_size, dtype=dtype, requires_grad=True)
    outs = layer(x)
    outs.sum().backward()

    def check(values, expected):
        torch.testing.assert_close(
            values, torch.tensor(expected, dtype=dtype), rtol=1e-3, atol=1e-3
        )

    check(outs, [[[[1.65, 0.0], [0.0, 0.0]]]] * batch_size)
    grad = [[-0.666, 0.204, 0.0], [0.03, -0.416, 0.012], [0.0, 0.252, 0.129]]
    check(x.grad, [[grad]] * batch_size)
    bias_grad = [1.44, -0.72, 0.0, 0.0, -0.1, -0.08, -0.54, -0.54]
    check(layer.conv_offset.bias.grad / batch_size, bias_grad)
    check(
        layer.conv_offset.weight.grad[:, 0] / batch_size,
        [[[g, 2 * g], [0.0, g]] for g in bias_grad],
    )
    check(layer.weight.grad[0, 0] / batch_size, [[3.62, 0.0], [0.4, 0.18]])


# mmdet's DyHead passes the offset and the mask of a larger map, of which mmcv's
# kernel reads the first values of each image.
@pytest.mark.parametrize(
    ('size', 'larger'),
    [
        ((3, 4), (3, 4)),
        ((3, 4), (6, 8)),
        ((3, 4), (5, 8)),
        ((3, 4), (4, 4)),
        ((3, 4), (3, 5)),
        ((1, 1), (2, 2)),
    ],
)
@pytest.mark.parametrize('deform_groups', [1, 2])
def test_first_values_of_a_larger_offset(size, larger, deform_groups):
    torch.manual_seed(0)
    x = torch.randn(2, 4, *size)
    weight = torch.randn(3, 4, 3, 3)
    num_masks = 9 * deform_groups
    # as in DyHead, offsets are a part of the channels of one map
    maps = torch.randn(2, 3 * num_masks, *larger, requires_grad=True)
    offset, mask = maps[:, : 2 * num_masks], maps[:, 2 * num_masks :].sigmoid()
    geometry = (1, 1, 1, 1, deform_groups)
    outs = mmcv.ops.modulated_deform_conv2d(x, offset, mask, weight, None, *geometry)
    (grad,) = torch.autograd.grad(outs.sin().sum(), maps)

    height, width = size
    num_read = height * width
    first = [
        torch.stack([image.flatten()[: len(image) * num_read] for image in value])
        .view(2, -1, height, width)
        .detach()
        .requires_grad_()
        for value in (offset, mask)
    ]
    expected = mmcv.ops.modulated_deform_conv2d(x, *first, weight, None, *geometry)
    torch.testing.assert_close(outs, expected, atol=1e-5, rtol=1e-5)
    grads = torch.autograd.grad(expected.sin().sum(), first)
    read = grad[:, : 2 * num_masks].flatten(1)
    torch.testing.assert_close(
        read[:, : 2 * num_masks * num_read], grads[0].flatten(1), atol=1e-4, rtol=1e-4
    )
    assert not read[:, 2 * num_masks * num_read :].any()


@pytest.mark.parametrize('too_small', ['offset', 'mask'])
def test_offset_and_mask_of_a_smaller_map_are_refused(too_small):
    maps = dict(offset=torch.zeros(1, 18, 4, 4), mask=torch.zeros(1, 9, 4, 4))
    maps[too_small] = maps[too_small][:, :, :3]
    with pytest.raises(ValueError, match=r'3, 4\) an image, expected \(\d+, 4, 4\)'):
        mmcv.ops.modulated_deform_conv2d(
            torch.zeros(1, 2, 4, 4), *maps.values(), torch.zeros(1, 2, 3, 3), None, 1, 1
        )


def test_ms_deform_attn_has_no_gradient_at_the_edge():
    # one row of 2, 3 and 5; pixel x of 3 is at location (x + 1/2) / 3
    value = torch.tensor([2.0, 3.0, 5.0]).view(1, 3, 1, 1)
    for x, by_x in [(-1.0, 0.0), (-0.5, 2.0), (0.5, 1.0), (2.5, -5.0), (3.0, 0.0)]:
        locations = torch.tensor([(x + 0.5) / 3, 0.5]).view(1, 1, 1, 1, 1, 2)
        locations.requires_grad_()
        outs = ms_deform_attn(
            value,
            torch.tensor([[1, 3]]),
            torch.tensor([0]),
            locations,
            torch.ones(1, 1, 1, 1, 1),
        )
        outs.sum().backward()
        assert locations.grad[..., 0].item() / 3 == pytest.approx(by_x)
