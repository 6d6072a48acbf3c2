"""Fewer points of a line, its extremes kept."""

import math
from collections.abc import Sequence

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
    lines: list[Sequence[Number]] = [series.y]
    if series.low is not None and series.high is not None:
        lines += [series.low, series.high]
    num_bins = max(limit // (2 * len(lines) + 1), 1)
    if not any(not finite(y) for y in series.y):
        num_bins = max((limit - 2) // (2 * len(lines)), 1)
    chosen = {0, num - 1}
    for i in range(num_bins):
        indices = range(num * i // num_bins, num * (i + 1) // num_bins)
        for line in lines:
            numbers = [k for k in indices if finite(line[k])]
            if numbers:
                chosen.add(min(numbers, key=line.__getitem__))
                chosen.add(max(numbers, key=line.__getitem__))
        chosen.update([k for k in indices if not finite(series.y[k])][:1])
    return sorted(chosen)


def rounded(value: Number, digits: int = 6) -> Number:
    """A number to so many significant digits; None where there is none."""
    if not finite(value):
        return None
    if isinstance(value, int):
        return value
    value = float(f'{float(value):.{digits}g}')
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
