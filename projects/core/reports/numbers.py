"""The numbers of a chart as a table: for those who copy them, or do not see it."""

from projects.core.reports.blocks import Bars, Block, Curves, Matrix, Points
from projects.core.reports.thinning import finite, rounded

MAX_ROWS = 60


def numbers(block: Block) -> tuple[list[str], list[list], str]:
    """Columns and rows of what a chart shows, and what is left out, in words.

    Raises:
        TypeError: If the block is no chart.
    """
    note = ''
    if isinstance(block, Curves):
        columns = [block.x_label, *(s.name for s in block.series)]
        rows, note = _curve_rows(block)
    elif isinstance(block, Bars):
        columns = ['', *block.series]
        rows = [
            [label, *(rounded(values[i]) for values in block.series.values())]
            for i, label in enumerate(block.labels)
        ]
    elif isinstance(block, Points):
        grouped = any(p.group for p in block.points)
        columns = ['', *(['group'] if grouped else []), block.x_label, block.y_label]
        rows = [
            [p.name, *([p.group] if grouped else []), rounded(p.x), rounded(p.y)]
            for p in block.points
        ]
    elif isinstance(block, Matrix):
        columns = [f'{block.row_label} \\ {block.column_label}', *block.columns]
        rows = [
            [name, *(rounded(v) for v in values)]
            for name, values in zip(block.rows, block.values, strict=True)
        ]
    else:
        raise TypeError(f'a block of kind {block.kind} is no chart')
    return columns, rows, note


def _curve_rows(block: Curves) -> tuple[list[list], str]:
    """A row for each x, evenly fewer of them where they are many."""
    grids = {
        tuple(x for x in grid if finite(x))
        for grid in {tuple(s.x) for s in block.series}
    }
    most = max(MAX_ROWS // max(len(grids), 1), 5)
    wanted = set()
    for grid in grids:
        num = min(len(grid), most)
        wanted |= {grid[i * (len(grid) - 1) // max(num - 1, 1)] for i in range(num)}
    total = set().union(*grids) if grids else set()
    lines = [dict(zip(s.x, s.y, strict=True)) for s in block.series]
    rows = [
        [rounded(x, 9), *(rounded(line.get(x)) for line in lines)]
        for x in sorted(wanted)
    ]
    if len(wanted) == len(total):
        return rows, ''
    return rows, f'{len(wanted):,} of {len(total):,} rows, evenly chosen.'
