"""Evaluations of several runs: blocks of the same key become one.

No task is known here, and no kind of block but by what it holds.
"""

from collections.abc import Sequence

from projects.core.reports.blocks import (
    Bars,
    Block,
    Curves,
    Matrix,
    Number,
    Section,
    Table,
)
from projects.core.reports.entries import Entry, mean_of
from projects.core.reports.overlays import BAND, POINTS, averaged

#: rows of a table, or of a matrix
MOST_ROWS = 60
#: columns of differences beside the first one
MOST_DIFFERENCES = 5
#: beginnings of the names of series that stand for all classes
MEANS = ('mean', 'all', 'average')

Held = list[tuple[Entry, list[Block]]]


def evaluations(entries: Sequence[Entry]) -> Section:
    """Blocks of the same key in the evaluations of several entries, in one each.

    Of curves the mean, or the only series, is overlaid; bars of one series stand side
    by side; of tables the numbers are compared row by row: two entries by their
    differences, more of them as a matrix of the first column that has a direction.
    The evaluations are those of the best validations, or else of the tests.
    """
    found: dict[str, Held] = {}
    for name in ('evaluation', 'test'):
        for entry in entries:
            own: dict[str, list[Block]] = {}
            for run in entry.runs:
                evaluation = getattr(run, name)
                for section in evaluation.sections if evaluation else ():
                    for block in section.blocks:
                        own.setdefault(block.key, []).append(block)
            for key, blocks in own.items():
                found.setdefault(key, []).append((entry, blocks))
        if found:
            break
    merged = []
    for held in found.values():
        kind = type(held[0][1][0])
        held = [(e, [b for b in blocks if isinstance(b, kind)]) for e, blocks in held]
        held = [(e, blocks) for e, blocks in held if blocks]
        if len(held) > 1 and kind in MERGED:
            merged.append(MERGED[kind](held))
    blocks = [block for block in merged if block is not None]
    note = 'Of groups the means.' if any(len(e.runs) > 1 for e in entries) else ''
    return Section('Evaluations', blocks, note)


def _key(block: Block) -> str:
    return f'both-{block.key}'


def _same_curves(held: Held) -> Curves | None:
    example = held[0][1][0]
    names = [s.name for s in example.series]
    means = [n for n in names if n.lower().startswith(MEANS)]
    if not means and len(names) != 1:
        return None
    name = (means or names)[0]
    series = []
    for entry, blocks in held:
        lines = [(s.x, s.y) for b in blocks for s in b.series if s.name == name]
        series.append(averaged(entry.name, lines, POINTS[1] // 2))
    series = [s for s in series if s is not None]
    if len(series) < 2:
        return None
    notes = [f'{name}.'] if len(names) > 1 else []
    if any(s.low for s in series):
        notes.append(BAND)
    return Curves(
        _key(example),
        example.title,
        example.x_label,
        example.y_label,
        series,
        x_range=example.x_range,
        y_range=example.y_range,
        log_x=example.log_x,
        log_y=example.log_y,
        note=' '.join(notes),
    )


def _same_bars(held: Held) -> Bars | None:
    example = held[0][1][0]
    series = {}
    for entry, blocks in held:
        same = [b for b in blocks if b.labels == example.labels and len(b.series) == 1]
        if same:
            values = [next(iter(b.series.values())) for b in same]
            series[entry.name] = [mean_of(v) for v in zip(*values, strict=True)]
    if len(series) < 2:
        return None
    return Bars(_key(example), example.title, example.labels, example.y_label, series)


def _same_tables(held: Held) -> Block | None:
    example = held[0][1][0]
    columns = [
        i
        for i in range(1, len(example.columns))
        if any(isinstance(row[i], (int, float)) for row in example.rows)
    ]
    directed = [i for i in columns if i < len(example.better) and example.better[i]]
    places = directed or columns[:1]
    if not places:
        return None
    heads = [example.columns[i] for i in places]
    values = {head: [_column(blocks, head) for _, blocks in held] for head in heads}
    shared = {head: _shared_rows(numbers) for head, numbers in values.items()}
    # a precision of classes that are never predicted does not exist
    first = max(heads, key=lambda head: len(shared[head]))
    if not shared[first]:
        return None
    values = {first: values.pop(first), **values}
    build = _differences if len(held) == 2 else _spreads
    names = [entry.name for entry, _ in held]
    return build(example, list(values), list(values.values()), names, shared[first])


def _shared_rows(values: Sequence[dict[str, float]]) -> list[str]:
    """Those that at least two have."""
    rows = dict.fromkeys(row for numbers in values for row in numbers)
    return [row for row in rows if sum(row in numbers for numbers in values) > 1]


def _differences(example: Table, heads, values, names, rows) -> Table:
    """The numbers of two entries in the first column, differences in the others."""
    first, second = values[0]
    rows.sort(key=lambda row: -abs(second[row] - first[row]))
    more = range(1, min(len(heads), MOST_DIFFERENCES + 1))
    return Table(
        _key(example),
        f'{example.title}: {heads[0]}',
        [
            example.columns[0],
            *names,
            'difference',
            *(f'{heads[i]}: difference' for i in more),
        ],
        [
            [
                row,
                first[row],
                second[row],
                second[row] - first[row],
                *(_less(*(numbers.get(row) for numbers in values[i])) for i in more),
            ]
            for row in rows[:MOST_ROWS]
        ],
        digits=example.digits,
        note=f'Differences are {names[1]} less {names[0]}, the greatest one first. '
        + _cut_note(len(rows)),
    )


def _less(first: Number, second: Number) -> Number:
    return None if first is None or second is None else second - first


def _spreads(example: Table, heads, values, names, rows) -> Matrix:
    """The first column of many entries."""

    def width(row: str) -> float:
        found = [numbers[row] for numbers in values[0] if row in numbers]
        return max(found) - min(found)

    widest = sorted(rows, key=lambda row: -width(row))[:MOST_ROWS]
    return Matrix(
        _key(example),
        f'{example.title}: {heads[0]}',
        example.columns[0],
        'run',
        widest,
        names,
        [[numbers.get(row) for numbers in values[0]] for row in widest],
        share=False,
        note='The row of the greatest spread first. ' + _cut_note(len(rows)),
    )


def _cut_note(number: int) -> str:
    if number <= MOST_ROWS:
        return ''
    return f'The first {MOST_ROWS} of {number} are shown.'


def _column(tables: Sequence[Table], column: str) -> dict[str, float]:
    """Numbers of a column by row, means of several tables."""
    found: dict[str, list[Number]] = {}
    for table in tables:
        if column not in table.columns:
            continue
        place = table.columns.index(column)
        for row in table.rows:
            if len(row) > place and isinstance(row[place], (int, float)):
                found.setdefault(str(row[0]), []).append(row[place])
    means = {row: mean_of(values) for row, values in found.items()}
    return {row: mean for row, mean in means.items() if mean is not None}


MERGED = {Curves: _same_curves, Bars: _same_bars, Table: _same_tables}
