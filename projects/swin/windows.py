"""Windows of a map: cut out, put back, shifted, kept apart (Sec. 3.2 of Swin).

Legend: B images, H and W in tokens, C channels, M side of a window in tokens, N =
M * M tokens of a window.
"""

from functools import lru_cache

import torch
from torch import Tensor

# of scores between tokens that are no neighbours, as in the authors' code: far below
# what a score can be, and exp(-100) is nothing beside 1 in float32 and float64
APART = -100.0


def window_partition(x: Tensor, window_size: int) -> Tensor:
    """Cut maps into windows.

    Args:
        x: (B, H, W, C), H and W multiples of the window.
        window_size: M.

    Returns:
        Tensor: (B, H / M * W / M, N, C), windows row by row.
    """
    batch, height, width, channels = x.shape
    rows, columns = height // window_size, width // window_size
    x = x.view(batch, rows, window_size, columns, window_size, channels)
    return x.transpose(2, 3).reshape(batch, rows * columns, window_size**2, channels)


def window_reverse(windows: Tensor, window_size: int, height: int) -> Tensor:
    """Put the windows of :func:`window_partition` back.

    Args:
        windows: (B, windows, N, C).
        window_size: M.
        height: H of the map.

    Returns:
        Tensor: (B, H, W, C).
    """
    batch, num_windows, _, channels = windows.shape
    rows = height // window_size
    columns = num_windows // rows
    x = windows.view(batch, rows, columns, window_size, window_size, channels)
    return x.transpose(2, 3).reshape(batch, height, columns * window_size, channels)


def relative_position_index(window_size: int) -> Tensor:
    """Which row of a table each pair of tokens of a window reads.

    The table has a row for each of (2M - 1)^2 offsets: those along the rows of the
    map, from 1 - M to M - 1, and within each those along its columns.

    Returns:
        Tensor: (N, N), query by key.
    """
    side = torch.arange(window_size)
    rows, columns = torch.meshgrid(side, side, indexing='ij')
    places = torch.stack([rows.flatten(), columns.flatten()])  # (2, N)
    rows, columns = places[:, :, None] - places[:, None] + window_size - 1
    return rows * (2 * window_size - 1) + columns


def shift_mask(
    size: tuple[int, int],
    window_size: int,
    shifts: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """What keeps tokens apart that the cyclic shift has put into one window.

    It is made once for each set of arguments; the last 16 are kept, a few
    megabytes each at most. What is compiled has it as a part of the graph.

    Args:
        size: H and W of the map, multiples of the window.
        window_size: M.
        shifts: By how many tokens rows and columns were shifted; 0 for not.
        device: Where the mask is to be.
        dtype: Of the scores that it is added to.

    Returns:
        Tensor: (windows, N, N), 0 for neighbours, -100 for others.
    """
    make = make_mask.__wrapped__ if torch.compiler.is_compiling() else make_mask
    return make(size, window_size, shifts, device, dtype)


@lru_cache(maxsize=16)
def make_mask(
    size: tuple[int, int],
    window_size: int,
    shifts: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """:func:`shift_mask`, kept."""
    # what was at the top is now below what was at the bottom: another region
    rows, columns = (
        torch.arange(side, device=device) >= side - shift
        for side, shift in zip(size, shifts, strict=True)
    )
    regions = 2 * rows[:, None] + columns  # (H, W)
    regions = window_partition(regions[None, :, :, None], window_size)[0, :, :, 0]
    differs = regions[:, :, None] != regions[:, None]
    return torch.zeros(differs.shape, device=device, dtype=dtype).masked_fill_(
        differs, APART
    )
