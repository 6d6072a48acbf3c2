"""Content-aware upsampling and convolution of some pixels."""

import mmcv.ops
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from projects.core.mmcv_ops import ops

CARAFES = [mmcv.ops.carafe, mmcv.ops.carafe_naive]


def naive_carafe(x, masks, kernel_size, group_size, scale):
    batch, channels, height, width = x.shape
    outs = x.new_zeros(batch, channels, height * scale, width * scale)
    half = kernel_size // 2
    for b, c, i, j in np.ndindex(*outs.shape):
        group = c // (channels // group_size)
        for k, (u, v) in enumerate(np.ndindex(kernel_size, kernel_size)):
            row, col = i // scale + u - half, j // scale + v - half
            if 0 <= row < height and 0 <= col < width:
                mask = masks[b, group * kernel_size**2 + k, i, j]
                outs[b, c, i, j] += mask * x[b, c, row, col]
    return outs


@pytest.mark.parametrize('op', CARAFES)
def test_carafe_by_hand(op):
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    # the upper left pixel of each four takes the pixel on the right, the others
    # the sum of all nine around
    masks = torch.ones(1, 9, 4, 4)
    masks[:, :, ::2, ::2] = 0
    masks[:, 5, ::2, ::2] = 1
    assert op(x, masks, 3, 1, 2)[0, 0].tolist() == [
        [2.0, 10.0, 0.0, 10.0],
        [10.0, 10.0, 10.0, 10.0],
        [4.0, 10.0, 0.0, 10.0],
        [10.0, 10.0, 10.0, 10.0],
    ]


@pytest.mark.parametrize(
    ('kernel_size', 'group_size', 'scale'), [(1, 1, 1), (3, 2, 2), (5, 1, 3), (3, 4, 1)]
)
def test_carafe_and_gradients(kernel_size, group_size, scale):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 3, 2, dtype=torch.float64)
    masks = torch.randn(
        2, group_size * kernel_size**2, 3 * scale, 2 * scale, dtype=torch.float64
    )
    geometry = (kernel_size, group_size, scale)
    args = [x.requires_grad_(), masks.requires_grad_()]
    expected = naive_carafe(*args, *geometry)
    for op in CARAFES:
        torch.testing.assert_close(op(*args, *geometry), expected)

    weights = torch.randn_like(expected)
    expected_grads = torch.autograd.grad(expected, args, weights)
    grads = torch.autograd.grad(mmcv.ops.carafe(*args, *geometry), args, weights)
    torch.testing.assert_close(grads, expected_grads)
    # called by itself: mmcv itself refuses to do so without a GPU
    grads = torch.zeros_like(x), torch.zeros_like(masks)
    ops.carafe_naive_backward(weights, x.detach(), masks.detach(), *grads, *geometry)
    torch.testing.assert_close(grads, expected_grads)


def test_gradients_of_carafe_through_mmcv():
    torch.manual_seed(0)
    # sizes of mmcv's own test, but for fewer channels
    x = torch.randn(2, 8, 3, 3, dtype=torch.float64, requires_grad=True)
    masks = torch.rand(2, 100, 6, 6, dtype=torch.float64, requires_grad=True)
    assert gradcheck(mmcv.ops.CARAFE(5, 4, 2), (x, masks), fast_mode=True)


def test_carafe_layer_starts_as_a_mean_of_the_window():
    torch.manual_seed(0)
    layer = mmcv.ops.CARAFEPack(4, 2, compressed_channels=3)
    layer.content_encoder.weight.data.zero_()  # so that softmax gives 1 / 25
    x = torch.rand(1, 4, 6, 6)
    expected = F.avg_pool2d(x, 5, 1, 2, count_include_pad=True)
    expected = F.interpolate(expected, scale_factor=2)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    ('kernel_size', 'padding'), [(1, 0), (3, 1), ((3, 5), (1, 2)), (3, 2), (3, 0)]
)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('share', [0.0, 0.3, 1.0])
def test_masked_conv_is_a_convolution_at_some_pixels(
    kernel_size, padding, dtype, share
):
    torch.manual_seed(0)
    layer = mmcv.ops.MaskedConv2d(3, 4, kernel_size, 1, padding).to(dtype)
    x = torch.randn(1, 3, 7, 6, dtype=dtype)
    mask = (torch.rand(1, 7, 6) < share).to(dtype)
    with torch.no_grad():
        expected = layer(x)  # without a mask: torch's convolution
    height, width = expected.shape[2:]
    mask[:, height:] = 0  # the output can be smaller than the mask
    mask[:, :, width:] = 0
    outs = layer(x, mask)
    shown = F.pad(mask, (0, width - 6, 0, height - 7)).to(dtype)
    torch.testing.assert_close(outs, expected * shown, atol=1e-5, rtol=1e-5)
