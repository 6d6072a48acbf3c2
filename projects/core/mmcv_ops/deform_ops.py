"""Sampling at learnt positions, by torchvision and plain torch.

Names and arguments are those of ``mmcv._ext``; outputs are written in place.
Its scratch space (``columns``, ``ones``) and ``im2col_step``, how many images
it unfolds at a time, change no result and are left alone.

- Dai et al., "Deformable Convolutional Networks", ICCV 2017,
  https://arxiv.org/abs/1703.06211
- Zhu et al., "Deformable ConvNets v2", CVPR 2019 (modulated),
  https://arxiv.org/abs/1811.11168
- Zhu et al., "Deformable DETR", ICLR 2021 (multi-scale attention),
  https://arxiv.org/abs/2010.04159
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import deform_conv2d

from projects.core.mmcv_ops.gradients import gradients


def _inside(positions: Tensor, length: Tensor | int) -> Tensor:
    """Whether a bilinear sample there touches one of ``length`` pixels."""
    return (positions > -1) & (positions < length)


def _held(x: Tensor, free: Tensor) -> Tensor:
    """``x`` with a gradient only where it is ``free``."""
    return torch.where(free, x, x.detach())


def _hold_outside(
    offset: Tensor,
    size: tuple[int, int],
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """Offsets of which those of samples outside a map have no gradient.

    mmcv counts a sample at -1 as outside, torchvision's gradient does not. With
    offsets of 0, where training starts, each padded layer has such samples.

    Args:
        offset: (B, groups * 2 * kH * kW, h, w).
        size: Height and width of the map; all pairs are yx.
    """
    moves = offset.unflatten(1, (-1, *kernel_size, 2))
    inside = torch.ones_like(moves[..., 0, :, :], dtype=torch.bool)
    for i, shape in enumerate([(-1, 1, offset.size(2), 1), (-1, 1, offset.size(3))]):
        taps = torch.arange(kernel_size[i], device=offset.device) * dilation[i]
        steps = torch.arange(offset.size(2 + i), device=offset.device) * stride[i]
        at_rest = (taps[:, None] + steps - padding[i]).view(shape)
        inside &= _inside(at_rest + moves[..., i, :, :], size[i])
    return _held(moves, inside.unsqueeze(-3)).flatten(1, 4)


def _first_values(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(B, *shape) of the first values of each image.

    mmcv's kernels of the modulated convolution read offset and mask as if they
    were of the output's size. mmdet's DyHead hands over those of a larger map.

    Raises:
        ValueError: If there are too few.
    """
    if math.prod(x.shape[1:]) < math.prod(shape):
        raise ValueError(
            f'offset or mask of shape {tuple(x.shape[1:])} an image, expected '
            f'{shape}, or more values'
        )
    return x.flatten(1)[:, : math.prod(shape)].unflatten(1, shape)


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Convolve samples of ``input`` at the grid's positions plus ``offset``.

    Args:
        input: (B, C, H, W).
        weight: (D, C / group, kH, kW).
        offset: (B, 2 * deformable_group * kH * kW, h, w), y before x, pixels.
        output: Output, (B, D, h, w).
        dW, dH: Stride.
    """
    output.copy_(
        deform_conv2d(
            input,
            offset,
            weight,
            stride=(dH, dW),
            padding=(padH, padW),
            dilation=(dilationH, dilationW),
        )
    )


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Write the gradients of :func:`deform_conv_forward` for ``input`` and
    ``offset``."""
    geometry = ((dH, dW), (padH, padW), (dilationH, dilationW))
    grads = gradients(
        lambda input, offset: deform_conv2d(
            input,
            _hold_outside(offset, input.shape[2:], (kH, kW), *geometry),
            weight,
            None,
            *geometry,
        ),
        [input, offset],
        gradOutput,
    )
    gradInput.copy_(grads[0])
    gradOffset.copy_(grads[1])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add ``scale`` times the gradient of :func:`deform_conv_forward` for
    ``weight`` to ``gradWeight``."""
    grads = gradients(
        lambda weight: deform_conv2d(
            input,
            offset,
            weight,
            stride=(dH, dW),
            padding=(padH, padW),
            dilation=(dilationH, dilationW),
        ),
        [gradWeight],
        gradOutput,
    )  # linear in the weight: any one serves
    gradWeight.add_(grads[0], alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """As :func:`deform_conv_forward`, each sample times its ``mask``.

    Args:
        offset: As there; where it has more values, the first of each image.
        bias: (D, ), or (0, ) without ``with_bias``.
        mask: (B, deformable_group * kernel_h * kernel_w, h, w), or more values.

    Raises:
        ValueError: If ``offset`` or ``mask`` has too few values.
    """
    num_samples = deformable_group * kernel_h * kernel_w
    output.copy_(
        deform_conv2d(
            input,
            _first_values(offset, (2 * num_samples, *output.shape[2:])),
            weight,
            bias if with_bias else None,
            (stride_h, stride_w),
            (pad_h, pad_w),
            (dilation_h, dilation_w),
            _first_values(mask, (num_samples, *output.shape[2:])),
        )
    )


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write all gradients of :func:`modulated_deform_conv_forward`."""
    geometry = ((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w))
    num_samples = deformable_group * kernel_h * kernel_w
    size = grad_output.shape[2:]

    def conv(input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
        offset = _hold_outside(
            _first_values(offset, (2 * num_samples, *size)),
            input.shape[2:],
            (kernel_h, kernel_w),
            *geometry,
        )
        mask = _first_values(mask, (num_samples, *size))
        return deform_conv2d(input, offset, weight, None, *geometry, mask)

    grads = gradients(conv, [input, offset, mask, weight], grad_output)
    outputs = (grad_input, grad_offset, grad_mask, grad_weight)
    for output, grad in zip(outputs, grads, strict=True):
        output.copy_(grad)
    if with_bias:
        grad_bias.copy_(grad_output.sum((0, 2, 3)))


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Sum weighted samples of L feature maps per query and head.

    B images, S pixels of all maps, M heads of D channels, Q queries, P points.

    Args:
        value: (B, S, M, D).
        value_spatial_shapes: (L, 2), height and width of each map.
        value_level_start_index: (L, ), first pixel of each map.
        sampling_locations: (B, Q, M, L, P, 2) xy; (0, 0) is the outer corner
            of the first pixel, (1, 1) that of the last. Outside is 0.
        attention_weights: (B, Q, M, L, P).

    Returns:
        (B, Q, M * D).
    """
    batch, _, heads, channels = value.shape
    num_queries = sampling_locations.size(1)
    output = value.new_zeros(batch * heads, channels, num_queries)
    levels = zip(
        value_level_start_index.tolist(), value_spatial_shapes.tolist(), strict=True
    )
    for level, (start, (height, width)) in enumerate(levels):
        maps = value[:, start : start + height * width].permute(0, 2, 3, 1)
        maps = maps.reshape(batch * heads, channels, height, width)
        # (B, Q, M, P, 2) -> (B * M, Q, P, 2)
        grid = sampling_locations[:, :, :, level].transpose(1, 2).flatten(0, 1)
        size = grid.new_tensor([width, height])
        inside = _inside(grid * size - 0.5, size).all(-1, keepdim=True)
        grid = 2 * _held(grid, inside) - 1  # corners at -1 and 1
        samples = F.grid_sample(maps, grid, align_corners=False)
        weights = attention_weights[:, :, :, level].transpose(1, 2)
        # (B * M, D, Q, P) * (B * M, 1, Q, P)
        weighted = samples * weights.flatten(0, 1)[:, None]
        output = output + weighted.sum(-1)
    output = output.view(batch, heads * channels, num_queries)
    # grid_sample is of float32 under autocast
    return output.transpose(1, 2).to(value.dtype).contiguous()


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Write the gradients of :func:`ms_deform_attn_forward`."""
    grads = gradients(
        lambda value, locations, weights: ms_deform_attn_forward(
            value,
            value_spatial_shapes,
            value_level_start_index,
            locations,
            weights,
            im2col_step,
        ),
        [value, sampling_locations, attention_weights],
        grad_output,
    )
    outputs = (grad_value, grad_sampling_loc, grad_attn_weight)
    for output, grad in zip(outputs, grads, strict=True):
        output.copy_(grad)
