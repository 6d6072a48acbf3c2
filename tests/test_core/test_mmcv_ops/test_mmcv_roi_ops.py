"""Pooling of regions."""

import mmcv.ops
import numpy as np
import pytest
import torch
from random_boxes import random_rois
from torch.autograd import gradcheck


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


@pytest.mark.parametrize('sampling_ratio', [0, 2])
def test_deform_roi_pool_without_offset_is_aligned_roi_align(sampling_ratio):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    rois = random_rois(12, size=20.0)
    geometry = ((2, 3), 0.5, sampling_ratio)
    expected = mmcv.ops.roi_align(x, rois, *geometry)
    torch.testing.assert_close(
        mmcv.ops.deform_roi_pool(x, rois, None, *geometry), expected
    )
    offset = torch.zeros(12, 2, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(
        mmcv.ops.deform_roi_pool(x, rois, offset, *geometry), expected
    )


def test_deform_roi_pool_moves_its_bins():
    # Pixel (y, x) holds 10 y + x; the region is 4 wide, 2 high, one bin
    ramp = 10 * torch.arange(12.0)[:, None] + torch.arange(12.0)
    rois = torch.tensor([[0.0, 3.0, 4.0, 7.0, 6.0]])
    offset = torch.tensor([2.5, 5.0]).view(1, 2, 1, 1)  # x, y
    outs = mmcv.ops.deform_roi_pool(ramp[None, None], rois, offset, (1, 1))
    # its centre, (4.5, 4.5), moves by 0.1 * 2.5 * 4 = 1 and 0.1 * 5 * 2 = 1
    assert outs.item() == pytest.approx(10 * 5.5 + 5.5)


@pytest.mark.parametrize('sampling_ratio', [0, 2])
def test_gradients_of_deform_roi_pool(sampling_ratio):
    torch.manual_seed(0)
    x = torch.randn(2, 2, 7, 6, dtype=torch.float64, requires_grad=True)
    rois = random_rois(4)
    offset = torch.randn(4, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(
        lambda *args: mmcv.ops.deform_roi_pool(*args, (2, 3), 0.5, sampling_ratio),
        (x, rois, offset),
        fast_mode=True,
    )


# Numbers of mmcv's own test, tests/test_ops/test_deform_roi_pool.py
@pytest.mark.parametrize(
    ('image', 'outputs', 'gradient'),
    [
        (
            [[1.0, 2.0], [3.0, 4.0]],
            [[1, 1.25], [1.5, 1.75]],
            [[3.0625, 0.4375], [0.4375, 0.0625]],
        ),
        (
            [
                [1.0, 2.0, 5.0, 6.0],
                [3.0, 4.0, 7.0, 8.0],
                [9.0, 10.0, 13.0, 14.0],
                [11.0, 12.0, 15.0, 16.0],
            ],
            [[1.9375, 4.75], [7.5625, 10.375]],
            [
                [0.47265625, 0.4296875, 0.4296875, 0.04296875],
                [0.4296875, 0.390625, 0.390625, 0.0390625],
                [0.4296875, 0.390625, 0.390625, 0.0390625],
                [0.04296875, 0.0390625, 0.0390625, 0.00390625],
            ],
        ),
    ],
)
def test_numbers_of_mmcv_for_deform_roi_pool(image, outputs, gradient):
    x = torch.tensor([[image]], requires_grad=True)
    side = len(image) - 1.0
    layer = mmcv.ops.DeformRoIPoolPack((2, 2), 1, sampling_ratio=2)
    outs = layer(x, torch.tensor([[0.0, 0.0, 0.0, side, side]]))
    outs.sum().backward()
    torch.testing.assert_close(outs, torch.tensor([[outputs]]))
    torch.testing.assert_close(x.grad, torch.tensor([[gradient]]))
