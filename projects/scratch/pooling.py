"""Pooling: one number for each window of a channel. No weights.

Averages: LeCun et al., "Gradient-Based Learning Applied to Document
Recognition", Proc. IEEE 86(11), 1998, Sec. II-A (with two weights for each
channel there, none since); https://doi.org/10.1109/5.726791.

Legend: B images, C channels, H and W in pixels; H' x W' windows. A pair is
(vertical, horizontal).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from projects.registry import MODELS
from projects.scratch.windows import Pair, pad, pair, span, windows


class _Pool2d(nn.Module):
    """Windows of maxima and averages: their size, and where they end.

    Arguments and errors: see :class:`ScratchMaxPool2d`.
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None,
        padding: int | Sequence[int],
        dilation: int | Sequence[int],
        ceil_mode: bool,
    ) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size, 'kernel_size')
        self.stride = self.kernel_size if stride is None else pair(stride, 'stride')
        self.padding = pair(padding, 'padding', at_least=0)
        self.dilation = pair(dilation, 'dilation')
        self.ceil_mode = ceil_mode
        self.span = span(self.kernel_size, self.dilation)
        if any(
            p > size // 2
            for p, size in zip(self.padding, self.kernel_size, strict=True)
        ):
            raise ValueError(
                f'padding {self.padding} is more than half of '
                f'kernel_size {self.kernel_size}'
            )

    def extra_repr(self) -> str:
        return (
            f'{self.kernel_size}, stride={self.stride}, '
            f'padding={self.padding}, ceil_mode={self.ceil_mode}'
        )

    def overhang(self, x: Tensor) -> Pair:
        """Rows and columns the last windows reach beyond the padding."""
        if x.dim() != 4:
            raise ValueError(f'expected (B, C, H, W), got {tuple(x.shape)}')
        beyond = []
        for size, tall, stride, padding in zip(
            x.shape[2:], self.span, self.stride, self.padding, strict=True
        ):
            steps = size + 2 * padding - tall
            number = 1 + (-(-steps // stride) if self.ceil_mode else steps // stride)
            if (number - 1) * stride >= size + padding:
                number -= 1  # the last would begin beyond the map
            if number < 1:
                raise ValueError(
                    f'a window of {self.span} on a map of {tuple(x.shape[2:])}'
                )
            beyond.append(max(0, (number - 1) * stride - steps))
        return tuple(beyond)

    def padded(
        self, x: Tensor, value: float, beyond: Pair, value_beyond: float
    ) -> Tensor:
        """(B, C, H, W) with its padding, and what windows reach beyond it."""
        vertical, horizontal = self.padding
        x = pad(x, (vertical, vertical), (horizontal, horizontal), value)
        return pad(x, (0, beyond[0]), (0, beyond[1]), value_beyond)

    def windows(self, x: Tensor) -> Tensor:
        """(B, C, H, W), padded, to (B, C, H', W', pixels of a window)."""
        return windows(x, self.kernel_size, self.stride, self.dilation).flatten(-2)


@MODELS.register_module()
class ScratchMaxPool2d(_Pool2d):
    """``nn.MaxPool2d``: the largest of each window.

    Maps (B, C, H, W) to (B, C, H', W'), where H' = (H + 2 * padding -
    dilation * (h - 1) - 1) // stride + 1, rounded up in ``ceil_mode``, and W'
    likewise. Among equals the first one takes the gradient.

    Args:
        kernel_size: h and w of a window.
        stride: Pixels from one window to the next; ``kernel_size`` for None.
        padding: Rows and columns added on each side, at most half of
            ``kernel_size``; they never win.
        dilation: Pixels between neighbouring elements of a window.
        ceil_mode: Whether pixels that are left at the end get a window.

    Raises:
        ValueError: If an argument is out of range; on a call, if no window
            fits.
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, x: Tensor) -> Tensor:
        lowest = float('-inf')
        x = self.padded(x, lowest, self.overhang(x), lowest)
        # not amax, which shares the gradient among equals
        return self.windows(x).max(-1).values


@MODELS.register_module()
class ScratchAvgPool2d(_Pool2d):
    """``nn.AvgPool2d``: the average of each window.

    Maps (B, C, H, W) to (B, C, H', W'), where H' = (H + 2 * padding - h) //
    stride + 1, rounded up in ``ceil_mode``, and W' likewise.

    Args:
        kernel_size: h and w of a window.
        stride: Pixels from one window to the next; ``kernel_size`` for None.
        padding: Rows and columns of zeros added on each side, at most half
            of ``kernel_size``.
        ceil_mode: Whether pixels that are left at the end get a window; what
            of it is outside of the padding, too, does not count.
        count_include_pad: Whether the zeros of the padding count.

    Raises:
        ValueError: If an argument is out of range; on a call, if no window
            fits.
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        beyond = self.overhang(x)
        counted = self.padded(
            torch.ones_like(x[:1, :1]), float(self.count_include_pad), beyond, 0.0
        )
        sums = self.windows(self.padded(x, 0.0, beyond, 0.0)).sum(-1)
        return sums / self.windows(counted).sum(-1)


@MODELS.register_module()
class ScratchAdaptiveAvgPool2d(nn.Module):
    """``nn.AdaptiveAvgPool2d``: averages to a given size.

    Maps (B, C, H, W) to (B, C, H', W') of that size. The i-th of H' windows
    reaches from row i * H / H', rounded down, to (i + 1) * H / H', rounded
    up, and likewise across; so neighbours overlap where H' does not divide H.

    Args:
        output_size: H' and W', or one number for both.

    Raises:
        ValueError: If a size is less than 1.
    """

    def __init__(self, output_size: int | Sequence[int]) -> None:
        super().__init__()
        self.output_size = pair(output_size, 'output_size')

    def extra_repr(self) -> str:
        return f'{self.output_size}'

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (
            [(i * size // number, -(-(i + 1) * size // number)) for i in range(number)]
            for size, number in zip(x.shape[-2:], self.output_size, strict=True)
        )
        return torch.stack(
            [
                torch.stack(
                    [
                        x[..., top:bottom, left:right].mean((-2, -1))
                        for left, right in columns
                    ],
                    -1,
                )
                for top, bottom in rows
            ],
            -2,
        )
