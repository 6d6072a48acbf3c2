"""Content-aware upsampling in plain torch, after Wang et al., "CARAFE:
Content-Aware ReAssembly of FEatures", ICCV 2019, https://arxiv.org/abs/1905.02188.

Names and arguments are those of ``mmcv._ext``. B images of C channels in G
groups, kernels of k x k pixels, s times as many pixels a side. mmcv's scratch
space (all names with r, but ``rfeatures``) is left alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from projects.core.mmcv_ops.gradients import gradients


def _carafe(
    features: Tensor, masks: Tensor, kernel_size: int, group_size: int, scale: int
) -> Tensor:
    """Each pixel of the output is a sum of the k x k pixels around the one it
    lies in, weighted by the mask; pixels outside are 0.

    Args:
        features: (B, C, H, W).
        masks: (B, G * k * k, s * H, s * W).

    Returns:
        (B, C, s * H, s * W).
    """
    height, width = features.shape[2:]
    windows = F.pad(features, [kernel_size // 2] * 4).permute(0, 2, 3, 1)
    windows = windows.unfold(1, kernel_size, 1).unfold(2, kernel_size, 1)
    # (B, H, W, C, k, k) -> (B, H, W, G, C / G, k * k)
    windows = windows.flatten(-2).unflatten(3, (group_size, -1))
    masks = masks.unflatten(3, (width, scale)).unflatten(2, (height, scale))
    # (B, G * k * k, H, s, W, s) -> (B, H, W, G, k * k, s * s)
    masks = masks.unflatten(1, (group_size, kernel_size**2))
    masks = masks.permute(0, 3, 5, 1, 2, 4, 6).flatten(-2)
    # (B, H, W, G, C / G, s, s) -> (B, G, C / G, H, s, W, s)
    with torch.autocast(features.device.type, enabled=False):  # as mmcv's kernel
        output = (windows @ masks).unflatten(-1, (scale, scale))
    output = output.permute(0, 3, 4, 1, 5, 2, 6)
    return output.flatten(5).flatten(3, 4).flatten(1, 2)


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the (B, C, s * H, s * W) map to ``output``.

    Args:
        features: (B, C, H, W).
        masks: (B, G * k * k, s * H, s * W).
    """
    output.copy_(_carafe(features, masks, kernel_size, group_size, scale_factor))


def carafe_naive_backward(
    top_grad: Tensor,
    features: Tensor,
    masks: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the gradients for ``features`` and ``masks``."""
    grads = gradients(
        lambda features, masks: _carafe(
            features, masks, kernel_size, group_size, scale_factor
        ),
        [features, masks],
        top_grad,
    )
    bottom_grad.copy_(grads[0])
    mask_grad.copy_(grads[1])


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """As :func:`carafe_naive_forward`.

    Args:
        rfeatures: Output, (B, C, H, W): what the backward pass gets to see.
    """
    rfeatures.copy_(features)
    carafe_naive_forward(features, masks, output, kernel_size, group_size, scale_factor)


def carafe_backward(
    top_grad: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rtop_grad: Tensor,
    rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor,
    rmask_grad: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """As :func:`carafe_naive_backward`, with ``rfeatures`` of the forward pass."""
    carafe_naive_backward(
        top_grad,
        rfeatures,
        masks,
        bottom_grad,
        mask_grad,
        kernel_size,
        group_size,
        scale_factor,
    )
