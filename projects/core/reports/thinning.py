"""Fewer points of a line, its extremes kept."""

import math

import numpy as np

from projects.core.reports.blocks import Number, Series


def finite(value: Number) -> bool:
    """Whether there is a number that can be drawn."""
    return value is not None and math.isfinite(value)


def kept(series: Series, limit: int) -> list[int]:
    """Indices of the points that a line is drawn from, ascending.

    The line is cut into bins of equally many points. Of each bin the least and the
    greatest value stay (of a band, the least lower and the greatest upper limit, as
    well), and a gap, so that no peak, no drop and no interruption is lost.

    Args:
        series: The line.
        limit: Most points, 8 or more; all are kept where they are not more.
    """
    num = len(series.x)
    if num <= limit:
        return list(range(num))
    y = np.array(series.y, float)  # None becomes NaN
    wanted = [y, -y]  # of which the least stay
    if series.low is not None and series.high is not None:
        wanted += [np.array(series.low, float), -np.array(series.high, float)]
    gaps = ~np.isfinite(y)
    if gaps.any():
        wanted.append(np.where(gaps, 0, np.nan))
    num_bins = max((limit - 2) // len(wanted), 1)
    width = -(-num // num_bins)
    chosen = {0, num - 1}
    for values in wanted:
        bins = np.full(-(-num // width) * width, np.inf)
        bins[:num] = np.where(np.isfinite(values), values, np.inf)
        least = bins.reshape(-1, width).argmin(1) + np.arange(0, len(bins), width)
        chosen.update(least[np.isfinite(bins[least])].tolist())
    return sorted(chosen)


def rounded(value: Number, digits: int = 6) -> Number:
    """A number to so many significant digits; None where there is none."""
    if not finite(value):
        return None
    if isinstance(value, int):
        return value
    value = float(f'{float(value):.{digits}g}')
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
