"""The two halves of mmcv's ``MaskedConv2d`` in plain torch.

Names and arguments are those of ``mmcv._ext``. A convolution of N pixels of one
image: its inputs are gathered, multiplied by the weight, and scattered.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Write what the kernel covers at each of N pixels to ``col``.

    Args:
        im: (1, C, H, W).
        mask_h_idx, mask_w_idx: Rows and columns of the output, (N, ), int64.
        col: Output, (C * kernel_h * kernel_w, N); 0 outside the image.
    """
    # the last row of the output may need kernel_h - 1 more than there are
    padded = F.pad(im[0], (pad_w, kernel_w - 1, pad_h, kernel_h - 1))
    rows = mask_h_idx + torch.arange(kernel_h, device=im.device)[:, None]
    cols = mask_w_idx + torch.arange(kernel_w, device=im.device)[:, None]
    col.copy_(padded[:, rows[:, None], cols].flatten(0, 2))


def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write the (C, N) of ``col`` to N pixels of ``im``, (1, C, H, W)."""
    # mmcv's product of matrices has the type of autocast
    im[0, :, mask_h_idx, mask_w_idx] = col.to(im.dtype)
