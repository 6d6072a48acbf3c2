"""Pooling of regions, by torchvision and plain torch.

Names and arguments are those of ``mmcv._ext``. Feature maps are (B, C, H, W);
K regions are (K, 5): index of the image, then xyxy in pixels of the image,
``spatial_scale`` of which are one pixel of the map. Outputs are
(K, C, h, w) and are written in place.
"""

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor

from projects.core.mmcv_ops.gradients import gradients

MAX_POOL, AVG_POOL = 0, 1  # mmcv's numbers


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Pool bilinear samples of a grid in each of h x w bins.

    Args:
        argmax_y: Output of max pooling, (K, C, h, w): row of the highest
            sample, a fraction of pixels of the map.
        argmax_x: Likewise its column.
        sampling_ratio: Samples a side of each bin; 0 for one a pixel.
        pool_mode: 0 for the highest sample, 1 for the mean.
        aligned: Whether the centre of pixel 0 is at 0.5. If not, it is at 0,
            and a region is at least one pixel of the map wide and high.

    Raises:
        ValueError: If max pooling meets a bin without samples: a region
            without an area under ``sampling_ratio`` 0.
    """
    size = (aligned_height, aligned_width)
    if pool_mode == AVG_POOL:
        output.copy_(
            torchvision.ops.roi_align(
                input, rois, size, spatial_scale, sampling_ratio, aligned
            )
        )
        return

    starts, bins = _bins(rois, size, spatial_scale, aligned)
    grids = _grids(bins, sampling_ratio)
    if (grids < 1).any():
        raise ValueError('max pooling of a region without an area')
    for grid in grids.unique(dim=0):
        rows, cols = grid.tolist()
        chosen = (grids == grid).all(1).nonzero().squeeze(1)
        # A sample is the mean of one: bins as small as the grid's cells.
        samples = torchvision.ops.roi_align(
            input,
            rois[chosen],
            (aligned_height * rows, aligned_width * cols),
            spatial_scale,
            1,
            aligned,
        )
        samples = samples.unflatten(3, (-1, cols)).unflatten(2, (-1, rows))
        # (k, C, h, rows, w, cols) -> (k, C, h, w, rows * cols)
        highest, index = samples.transpose(3, 4).flatten(4).max(4)
        output[chosen] = highest
        argmax_y[chosen] = _positions(
            index // cols, rows, starts[chosen, 0], bins[chosen, 0], dim=2
        )
        argmax_x[chosen] = _positions(
            index % cols, cols, starts[chosen, 1], bins[chosen, 1], dim=3
        )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the gradient for the feature map to ``grad_input``.

    Arguments are those of :func:`roi_align_forward`.
    """
    # Pooling is linear in the map, so any map of its shape has the gradient.
    if pool_mode == AVG_POOL:
        grads = gradients(
            lambda x: torchvision.ops.roi_align(
                x,
                rois,
                (aligned_height, aligned_width),
                spatial_scale,
                sampling_ratio,
                aligned,
            ),
            [grad_input],
            grad_output,
        )
        grad_input.copy_(grads[0])
        return

    # Each highest sample is a region of its own, of no size, in a plane that
    # holds one channel of one image.
    num_channels = grad_input.size(1)
    channels = torch.arange(num_channels, device=rois.device)
    planes = rois[:, :1].long() * num_channels + channels  # (K, C)
    planes = planes[:, :, None, None].expand_as(argmax_y)
    # a plane's index may be above what half counts
    dtype = torch.promote_types(grad_input.dtype, torch.float32)
    y, x = argmax_y.to(dtype) + 0.5, argmax_x.to(dtype) + 0.5
    points = torch.stack([planes.to(dtype), x, y, x, y], -1).flatten(0, 3)
    grads = gradients(
        lambda x: torchvision.ops.roi_align(
            x.flatten(0, 1)[:, None], points, 1, 1.0, 1, aligned=True
        ),
        [grad_input.to(dtype)],
        grad_output.to(dtype).reshape(-1, 1, 1, 1),
    )
    grad_input.copy_(grads[0])


def _bins(
    rois: Tensor, size: tuple[int, int], spatial_scale: float, aligned: bool
) -> tuple[Tensor, Tensor]:
    """Upper left corner and bin size per region, both (K, 2) yx, in pixels of
    the map as :func:`roi_align_forward` counts them."""
    boxes = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0)
    starts, ends = boxes[:, [1, 0]], boxes[:, [3, 2]]
    lengths = ends - starts
    if not aligned:
        lengths = lengths.clamp(min=1)
    return starts, lengths / lengths.new_tensor(size)


def _grids(bins: Tensor, sampling_ratio: int) -> Tensor:
    """Rows and columns of samples in each bin of a region, (K, 2)."""
    if sampling_ratio > 0:
        return torch.full_like(bins, sampling_ratio, dtype=torch.long)
    return bins.ceil().long()


def _positions(
    index: Tensor, num_samples: int, starts: Tensor, bins: Tensor, dim: int
) -> Tensor:
    """Where along ``dim`` of (k, C, h, w) sample ``index`` of a bin lies."""
    starts, bins = starts[:, None, None, None], bins[:, None, None, None]
    shape = [1, 1, 1, 1]
    shape[dim] = index.size(dim)
    bin_index = torch.arange(index.size(dim), device=index.device).view(shape)
    return starts + bins * (bin_index + (index + 0.5) / num_samples)


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Take the maximum of the pixels that each of h x w bins touches.

    x2 and y2 are the last pixels of the region. Bins share pixels that both
    touch. (torchvision rounds the corners of the region first, so it differs.)

    Args:
        output: Output; 0 where a bin is outside the map.
        argmax: Output, (K, C, h, w), int32: y * W + x of the maximum, -1 where
            there is none.
    """
    height, width = input.shape[2:]
    starts = rois[:, [2, 1]] * spatial_scale
    lengths = (rois[:, [4, 3]] + 1) * spatial_scale - starts
    bins = lengths / lengths.new_tensor([pooled_height, pooled_width])
    y1, y2 = _edges(starts[:, 0], bins[:, 0], pooled_height, height)
    x1, x2 = _edges(starts[:, 1], bins[:, 1], pooled_width, width)
    output.zero_()
    argmax.fill_(-1)
    for k, image in enumerate(rois[:, 0].long().tolist()):
        if (lengths[k] <= 0).any():
            continue
        for i, (top, bottom) in enumerate(zip(y1[k], y2[k], strict=True)):
            for j, (left, right) in enumerate(zip(x1[k], x2[k], strict=True)):
                if bottom <= top or right <= left:
                    continue
                region = input[image, :, top:bottom, left:right]
                output[k, :, i, j], index = region.flatten(1).max(1)
                rows = top + index // (right - left)
                cols = left + index % (right - left)
                argmax[k, :, i, j] = rows * width + cols


def _edges(
    starts: Tensor, bins: Tensor, num_bins: int, length: int
) -> tuple[list[list[int]], list[list[int]]]:
    """First pixel, and that after the last, per region and bin."""
    index = torch.arange(num_bins, device=bins.device)
    first = (index * bins[:, None] + starts[:, None]).floor()
    last = ((index + 1) * bins[:, None] + starts[:, None]).ceil()
    return (
        first.clamp(0, length).long().tolist(),
        last.clamp(0, length).long().tolist(),
    )


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the gradient for the feature map to ``grad_input``.

    Arguments are those of :func:`roi_pool_forward`.
    """
    num_channels, num_pixels = grad_input.size(1), grad_input[0, 0].numel()
    channels = torch.arange(num_channels, device=rois.device)
    planes = rois[:, :1].long() * num_channels + channels  # (K, C)
    index = planes[:, :, None, None] * num_pixels + argmax
    pooled = argmax >= 0
    grad = torch.zeros_like(grad_input).flatten()
    grad.index_add_(0, index[pooled], grad_output[pooled])
    grad_input.copy_(grad.view_as(grad_input))


def _deform_roi_pool(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> Tensor:
    starts, bins = _bins(rois, size, spatial_scale, aligned=True)
    lengths = (bins * bins.new_tensor(size))[:, :, None, None]
    grids = _grids(bins, sampling_ratio)
    starts, bins = starts[:, :, None, None], bins[:, :, None, None]
    index = [torch.arange(n, device=rois.device) for n in size]
    corners = starts + bins * torch.stack(torch.meshgrid(*index, indexing='ij'))
    if offset.numel():
        corners = corners + gamma * lengths * offset.flip(1)  # (K, yx, h, w)
    output = input.new_zeros(len(rois), input.size(1), *size)
    keys = torch.cat([rois[:, :1].long(), grids], 1)
    for key in keys[(grids > 0).all(1)].unique(dim=0):
        image, *grid = key.tolist()
        chosen = (keys == key).all(1).nonzero().squeeze(1)
        y, x = (
            corners[chosen, i, ..., None]
            + bins[chosen, i, ..., None]
            * ((torch.arange(n, device=rois.device) + 0.5) / n)
            for i, n in enumerate(grid)
        )  # (k, h, w, rows) and (k, h, w, cols)
        samples = _bilinear(input[image], y[..., None], x[..., None, :])
        output[chosen] = samples.mean((-2, -1)).transpose(0, 1)
    return output


def _bilinear(x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Samples (C, *) of a (C, H, W) map; what is further out than a pixel is 0,
    and what is nearer is the next pixel of the map.

    Args:
        rows, cols: Where, of shapes that broadcast to *.
    """
    height, width = x.shape[1:]
    rows, cols = torch.broadcast_tensors(rows, cols)
    inside = (rows >= -1) & (rows <= height) & (cols >= -1) & (cols <= width)
    # corners of the map at -1 and 1
    grid = torch.stack([(2 * cols + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    samples = F.grid_sample(
        x[None],
        grid.flatten(0, -2)[None, None],
        padding_mode='border',
        align_corners=False,
    )
    return samples.view(len(x), *rows.shape) * inside


def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Average bilinear samples in each of h x w bins, moved by its offset.

    Dai et al., "Deformable Convolutional Networks", ICCV 2017, Sec. 2.2,
    https://arxiv.org/abs/1703.06211.

    Args:
        offset: (K, 2, h, w), x before y; 1 is ``gamma`` times the region's width
            or height. Empty for none.
        sampling_ratio: Samples a side of each bin; 0 for one a pixel.
    """
    size = (pooled_height, pooled_width)
    output.copy_(
        _deform_roi_pool(
            input, rois, offset, size, spatial_scale, sampling_ratio, gamma
        )
    )


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Write the gradients for ``input`` and, if there is one, ``offset``.

    The latter is the derivative of the output also at the edge of the map, where
    that of mmcv's kernel is not.
    """
    size = (pooled_height, pooled_width)
    inputs, outputs = [input], [grad_input]
    if offset.numel():
        inputs, outputs = [input, offset], [grad_input, grad_offset]
    grads = gradients(
        lambda input, offset=offset: _deform_roi_pool(
            input, rois, offset, size, spatial_scale, sampling_ratio, gamma
        ),
        inputs,
        grad_output,
    )
    for output, grad in zip(outputs, grads, strict=True):
        output.copy_(grad)
