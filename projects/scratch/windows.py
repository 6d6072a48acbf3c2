"""Windows on a map: what convolution and pooling have in common.

Legend: B images, C channels, H and W in pixels; H' x W' windows of h x w
pixels. A pair is (vertical, horizontal).
"""

from collections.abc import Sequence

from torch import Tensor

Pair = tuple[int, int]


def pair(value: int | Sequence[int], name: str, at_least: int = 1) -> Pair:
    """Both values of an argument that may be one number for both.

    Args:
        value: A number, or a pair.
        name: Of the argument, for the error.
        at_least: Smallest value that makes sense.

    Raises:
        ValueError: If there are not two numbers of that size.
    """
    values = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(values) != 2 or not all(
        isinstance(v, int) and v >= at_least for v in values
    ):
        raise ValueError(
            f'{name} must be one whole number or two, each at '
            f'least {at_least}: {value!r}'
        )
    return values


def span(kernel_size: Pair, dilation: Pair) -> Pair:
    """Pixels from the first to the last of a window: h and w if undilated."""
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilation, strict=True))


def pad(x: Tensor, vertical: Pair, horizontal: Pair, value: float) -> Tensor:
    """Add pixels on the four sides of a map.

    Args:
        x: (..., H, W); comes back as it is where nothing is added.
        vertical: Pixels added above and below.
        horizontal: Pixels added left and right.
        value: Of these pixels.
    """
    (top, bottom), (left, right) = vertical, horizontal
    if not any((top, bottom, left, right)):
        return x
    *leading, height, width = x.shape
    padded = x.new_full((*leading, top + height + bottom, left + width + right), value)
    padded[..., top : top + height, left : left + width] = x
    return padded


def windows(x: Tensor, kernel_size: Pair, stride: Pair, dilation: Pair) -> Tensor:
    """All windows of a map side by side, without copying a pixel.

    Args:
        x: (B, C, H, W).
        kernel_size: (h, w).
        stride: Pixels from one window to the next.
        dilation: Pixels from one element of a window to the next.

    Returns:
        (B, C, H', W', h, w), where H' = (H - dilation * (h - 1) - 1) // stride
        + 1, and W' likewise. Its memory is that of ``x``.
    """
    height, width = span(kernel_size, dilation)
    # (B, C, H', W, height), then (B, C, H', W', height, width)
    spans = x.unfold(2, height, stride[0]).unfold(3, width, stride[1])
    return spans[..., :: dilation[0], :: dilation[1]]
