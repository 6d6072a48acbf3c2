"""Convolution: LeCun et al., "Gradient-Based Learning Applied to Document
Recognition", Proc. IEEE 86(11), 1998, Sec. II-A,
https://doi.org/10.1109/5.726791.

Unfolded into a matrix product as in Chellapilla, Puri and Simard, "High
Performance Convolutional Neural Networks for Document Processing", IWFHR 2006.

Legend: B images, C input and O output channels, G groups, H and W in pixels;
H' x W' positions of a kernel of h x w pixels. A pair is (vertical,
horizontal).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from projects.registry import MODELS
from projects.scratch.windows import Pair, pad, pair, span, windows


def correlate(
    image: Tensor, kernel: Tensor, stride: Pair = (1, 1), dilation: Pair = (1, 1)
) -> Tensor:
    """Lay a kernel on an image everywhere; at each place multiply and add.

    Args:
        image: (C, H, W).
        kernel: (C, h, w), as many channels: the sum runs over them, too.
        stride: Pixels from one place to the next.
        dilation: Pixels between neighbouring elements of the kernel.

    Returns:
        (H', W').
    """
    _, height, width = image.shape
    tall, wide = span(kernel.shape[1:], dilation)
    rows = []
    for top in range(0, height - tall + 1, stride[0]):
        row = []
        for left in range(0, width - wide + 1, stride[1]):
            window = image[
                :, top : top + tall : dilation[0], left : left + wide : dilation[1]
            ]
            row.append((window * kernel).sum())
        rows.append(torch.stack(row))
    return torch.stack(rows)


@MODELS.register_module()
class ScratchConv2d(nn.Module):
    """``nn.Conv2d``: every window is a row of a matrix, every kernel a column.

    Maps (B, C, H, W) to (B, O, H', W'), where H' = (H + 2 * padding -
    dilation * (h - 1) - 1) // stride + 1, and W' likewise. One product
    computes all positions of all kernels, at the price of h * w copies of
    each pixel.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: h and w, or one number for both; so for those below.
        stride: Pixels from one position to the next.
        padding: Rows and columns of zeros added on each side.
        dilation: Pixels between neighbouring elements of the kernel.
        groups: G. The kernels of each G-th part of the output see the same
            part of the input alone; C is a depthwise convolution.
        bias: Whether each output channel has a number of its own added.
        padding_mode: Must be ``'zeros'``.

    Raises:
        ValueError: If an argument is out of range, not supported, or groups
            do not divide the channels; on a call, if the input has other
            channels or is smaller than the kernel.
    """

    # mmcv's ConvModule copies these from its convolution
    transposed = False
    output_padding = (0, 0)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = 'zeros',
    ) -> None:
        super().__init__()
        if padding_mode != 'zeros':
            raise ValueError(f"padding_mode must be 'zeros': {padding_mode!r}")
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f'{groups} groups do not divide {in_channels} '
                f'input and {out_channels} output channels'
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size, 'kernel_size')
        self.stride = pair(stride, 'stride')
        self.padding = pair(padding, 'padding', at_least=0)
        self.dilation = pair(dilation, 'dilation')
        self.groups = groups
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels // groups, *self.kernel_size)
        )
        bound = self.weight[0].numel() ** -0.5  # one over the root of fan-in
        nn.init.uniform_(self.weight, -bound, bound)
        if bias:
            self.bias = nn.Parameter(torch.empty(out_channels))
            nn.init.uniform_(self.bias, -bound, bound)
        else:
            self.register_parameter('bias', None)

    def extra_repr(self) -> str:
        return (
            f'{self.in_channels}, {self.out_channels}, '
            f'{self.kernel_size}, stride={self.stride}, '
            f'padding={self.padding}, dilation={self.dilation}, '
            f'groups={self.groups}, bias={self.bias is not None}'
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'expected (B, {self.in_channels}, H, W), got {tuple(x.shape)}'
            )
        vertical, horizontal = self.padding
        x = pad(x, (vertical, vertical), (horizontal, horizontal), 0.0)
        tall, wide = span(self.kernel_size, self.dilation)
        if x.shape[2] < tall or x.shape[3] < wide:
            raise ValueError(
                f'a kernel over {tall} x {wide} pixels on a '
                f'padded map of {x.shape[2]} x {x.shape[3]}'
            )
        out = self.correlate(x)
        if self.bias is not None:
            out = out + self.bias[:, None, None]
        return out

    def correlate(self, x: Tensor) -> Tensor:
        """(B, C, H, W), already padded, to (B, O, H', W') without bias."""
        # (B, C, H', W', h, w), the channels by groups: (B, G, C / G, ...)
        patches = windows(x, self.kernel_size, self.stride, self.dilation).unflatten(
            1, (self.groups, -1)
        )
        num_images, _, _, height, width, _, _ = patches.shape
        # (G, B * H' * W', C / G * h * w): a row is what one kernel sees
        rows = patches.permute(1, 0, 3, 4, 2, 5, 6).reshape(
            self.groups, num_images * height * width, -1
        )
        # (G, C / G * h * w, O / G): a column is one kernel
        columns = self.weight.reshape(
            self.groups, self.out_channels // self.groups, -1
        ).mT
        out = rows @ columns  # (G, B * H' * W', O / G)
        return (
            out.reshape(self.groups, num_images, height, width, -1)
            .permute(1, 0, 4, 2, 3)
            .reshape(num_images, -1, height, width)
        )


@MODELS.register_module()
class ScratchLoopConv2d(ScratchConv2d):
    """The same by loops: images, output channels, rows, columns.

    To read and to check by: each number of the output is one step of Python.
    Arguments, shapes and errors are those of :class:`ScratchConv2d`.
    """

    def correlate(self, x: Tensor) -> Tensor:
        """(B, C, H, W), already padded, to (B, O, H', W') without bias."""
        seen = self.weight.shape[1]  # input channels of one kernel, C / G
        kernels_per_group = self.out_channels // self.groups
        outs = []
        for image in x:
            maps = []
            for i, kernel in enumerate(self.weight):
                first = i // kernels_per_group * seen
                maps.append(
                    correlate(
                        image[first : first + seen], kernel, self.stride, self.dilation
                    )
                )
            outs.append(torch.stack(maps))
        return torch.stack(outs)
