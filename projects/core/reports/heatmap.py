"""A matrix as a Vega-Lite specification, see :mod:`.charts`."""

from typing import Any

import numpy as np

from projects.core.reports.blocks import Matrix
from projects.core.reports.thinning import rounded

#: cells along a side
MAX_CELLS = 100


def cells_in_one(block: Matrix) -> int:
    """Cells of the matrix along a side of one that is drawn."""
    return -(-max(len(block.rows), len(block.columns), 1) // MAX_CELLS)


def matrix(block: Matrix, colors: dict[str, str]) -> dict[str, Any]:
    """Numbers stand in the cells where there is room for them."""
    cells, rows, columns = _merged(block)
    present = np.isfinite(cells)
    sums = np.where(present, cells, 0).sum(1, keepdims=True)
    if block.share:
        tone = np.divide(cells, sums, out=np.zeros_like(cells), where=sums > 0)
    else:
        most = np.abs(cells[present]).max(initial=0)
        tone = cells / most if most else np.zeros_like(cells)
    values = [
        {
            'r': r,
            'v': [rounded(v) for v in cells[r].tolist()],
            't': [rounded(t, 4) for t in tone[r].tolist()],
        }
        for r in range(len(rows))
    ]
    num_digits = max((len(f'{rounded(v)}') for v in cells[present].tolist()), default=1)
    # pixels of a digit of 11 pixels' height, and as many beside the number
    room = 6.5 * num_digits + 4
    has_numbers = len(columns) <= 24 and len(rows) <= 24 and num_digits <= 6
    step = 30 if has_numbers else min(max(560 // max(len(rows), 1), 5), 30)

    def side(field: str, title: str, names: str, num: int) -> dict[str, Any]:
        short = max(map(len, columns), default=0) <= 3
        return {
            'field': field,
            'type': 'ordinal',
            'title': title,
            'scale': {'domain': list(range(num)), 'padding': 0},
            'axis': {
                'labelExpr': f'{names}[datum.value]',
                'labelLimit': 110,
                'labelAngle': 0 if short or field == 'r' else -90,
                'labelOverlap': True,
                'ticks': False,
                'domain': False,
            },
        }

    tooltip = [
        {'field': 'row', 'type': 'nominal', 'title': block.row_label},
        {'field': 'column', 'type': 'nominal', 'title': block.column_label},
        {'field': 'v', 'type': 'quantitative', 'title': 'value'},
    ]
    if block.share:
        share = {'field': 't', 'type': 'quantitative', 'format': '.1%'}
        tooltip.append({**share, 'title': 'share of the row'})
    layers = [
        {
            'mark': {'type': 'rect', 'stroke': colors['paper'], 'strokeWidth': 0.5},
            'encoding': {
                'color': {
                    'condition': {'test': 'datum.t < 0', 'value': colors['cold']},
                    'value': colors['heat'],
                },
                'fillOpacity': {
                    'field': 'tone',
                    'type': 'quantitative',
                    # a share of 1 % is to be seen beside one of 99 %
                    'scale': {'domain': [0, 1], 'range': [0.03, 1]},
                    'legend': None,
                },
            },
        }
    ]
    if has_numbers:
        layers.append(
            {
                'mark': {'type': 'text', 'fontSize': 11},
                'encoding': {
                    'text': {'field': 'v', 'type': 'quantitative'},
                    'color': {'value': colors['ink']},
                    'opacity': {
                        'condition': {
                            'test': f"bandwidth('x') >= {room} && datum.v !== 0",
                            'value': 1,
                        },
                        'value': 0,
                    },
                },
            }
        )
    return {
        'width': 720,
        'height': step * len(rows),
        'params': [
            {'name': 'rows', 'value': rows},
            {'name': 'columns', 'value': columns},
        ],
        'data': {'values': values},
        'transform': [
            {'flatten': ['v', 't']},
            {
                'window': [{'op': 'row_number', 'as': 'n'}],
                'groupby': ['r'],
            },
            {'calculate': 'datum.n - 1', 'as': 'c'},
            {'calculate': 'rows[datum.r]', 'as': 'row'},
            {'calculate': 'columns[datum.c]', 'as': 'column'},
            {'calculate': 'sqrt(abs(datum.t))', 'as': 'tone'},
            {'filter': 'datum.v !== null'},
        ],
        'encoding': {
            'x': side('c', block.column_label, 'columns', len(columns)),
            'y': side('r', block.row_label, 'rows', len(rows)),
            'tooltip': tooltip,
        },
        'layer': layers,
    }


def _merged(block: Matrix) -> tuple[np.ndarray, list[str], list[str]]:
    """Cells, names of rows, names of columns; neighbours as one where they are many.

    Of what is coloured by its share of a row the sum is taken, else the mean.
    """
    cells = np.array(
        [[np.nan if v is None else v for v in row] for row in block.values], float
    ).reshape(len(block.rows), len(block.columns))
    step = cells_in_one(block)
    if step == 1:
        return cells, list(block.rows), list(block.columns)
    merge = np.nansum if block.share else np.nanmean

    def parts(names: list[str]) -> list[str]:
        groups = [names[i : i + step] for i in range(0, len(names), step)]
        return [f'{g[0]} – {g[-1]}' if len(g) > 1 else g[0] for g in groups]

    merged = [
        [
            merge(cells[r : r + step, c : c + step])
            for c in range(0, len(block.columns), step)
        ]
        for r in range(0, len(block.rows), step)
    ]
    return np.array(merged), parts(block.rows), parts(block.columns)
