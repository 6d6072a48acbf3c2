"""Curves and bars as Vega-Lite specifications, see :mod:`.charts`."""

from typing import Any

from projects.core.reports.blocks import Bars, Curves
from projects.core.reports.channels import (
    OPACITY,
    SHOWN,
    ZOOM,
    axis,
    color_of,
    legend_of,
    params_of,
    shape_of,
    values_of_series,
)
from projects.core.reports.looks import looks
from projects.core.reports.thinning import finite, kept, rounded

#: bars whose labels are written
MAX_LABELS = 60


def curves(block: Curves, colors: dict[str, str], limit: int) -> dict[str, Any]:
    look = looks(block)
    lines, bands, dots = [], [], []
    for i, series in enumerate(block.series):
        indices = [
            k
            for k in kept(series, limit)
            if finite(series.x[k]) and not (block.log_x and series.x[k] <= 0)
        ]
        x = [rounded(series.x[k], 9) for k in indices]
        y = [_on_axis(series.y[k], block.log_y) for k in indices]
        lines.append({'s': i, 'x': x, 'y': y})
        # a number between two gaps has no line
        dots += [
            {'s': i, 'x': x[k], 'y': y[k]}
            for k in range(len(x))
            if y[k] is not None
            and (
                len(x) <= 25
                or (
                    (k == 0 or y[k - 1] is None)
                    and (k == len(x) - 1 or y[k + 1] is None)
                )
            )
        ]
        if series.low is not None and series.high is not None:
            low = [_on_axis(series.low[k], block.log_y) for k in indices]
            high = [_on_axis(series.high[k], block.log_y) for k in indices]
            bands.append({'s': i, 'x': x, 'low': low, 'high': high})
    x = axis('x', block.x_label, block.log_x, block.x_range)
    y = axis('y', block.y_label, block.log_y, block.y_range)
    if block.x_range is None:
        x['scale'] |= {'nice': False, 'padding': 6}  # for points to be whole
    heights = {v for line in lines for v in line['y'] if v is not None}
    if block.y_range is None and len(heights) == 1:
        middle = heights.pop()
        room = abs(middle) / 10 or 1
        y['scale'] |= {'domain': [middle - room, middle + room], 'nice': False}
    legend, shape = legend_of(look, 'stroke'), shape_of(look)
    dash = {
        'field': 's',
        'type': 'nominal',
        'scale': values_of_series([item.dash for item in look]),
        'legend': legend,
    }
    color = {**color_of(look, colors), 'legend': legend}
    layers = []
    if bands:
        band = {k: v for k, v in y.items() if k != 'field'}
        layers.append(
            {
                'data': {'values': bands},
                'transform': [SHOWN, {'flatten': ['x', 'low', 'high']}],
                'mark': {'type': 'area', 'clip': True, 'fillOpacity': 0.18},
                'encoding': {'y': {**band, 'field': 'low'}, 'y2': {'field': 'high'}},
            }
        )
    layers.append(
        {
            'name': 'lines',
            'params': [ZOOM],
            'data': {'values': lines},
            'transform': [SHOWN, {'flatten': ['x', 'y']}],
            'mark': {'type': 'line', 'clip': True, 'strokeWidth': 1.75},
            'encoding': {'y': y, 'strokeDash': dash, 'opacity': OPACITY},
        }
    )
    if dots:
        layers.append(
            {
                'data': {'values': dots},
                'transform': [SHOWN],
                'mark': {'type': 'point', 'filled': True, 'size': 32, 'clip': True},
                'encoding': {'y': y, 'shape': shape, 'opacity': OPACITY},
            }
        )
    # where the reader is, filled by the script of the page: no fields of the axes,
    # or these and all lines were computed again at each step
    place = {k: {'value': {'expr': f"scale('{k}', datum.{k})"}} for k in 'xy'}
    layers += [
        {
            'data': {'name': 'cursor'},
            'mark': {'type': 'rule', 'clip': True},
            'encoding': {'x': place['x'], 'color': {'value': colors['edge']}},
        },
        {
            'data': {'name': 'read'},
            'mark': {
                'type': 'point',
                'filled': True,
                'size': 60,
                'clip': True,
                'stroke': colors['paper'],
                'strokeWidth': 1,
            },
            'encoding': {**place, 'shape': shape},
        },
    ]
    return {
        'width': 720,
        'height': 280,
        'params': params_of(look),
        'encoding': {'x': x, 'color': color},
        'layer': layers,
        'usermeta': {'finer': block.finer},
    }


def _on_axis(value: float | int | None, log: bool) -> float | int | None:
    """A number that the axis has; None for what is a gap."""
    value = rounded(value)
    return None if log and value is not None and value <= 0 else value


def bars(block: Bars, colors: dict[str, str]) -> dict[str, Any]:
    look = looks(block)
    num = len(block.labels)
    upright = num > MAX_LABELS or (
        num <= 12 and max(map(len, block.labels), default=0) <= 8
    )
    values = [
        {'i': i, 'label': label, 's': s, 'name': name, 'v': rounded(numbers[i])}
        for s, (name, numbers) in enumerate(block.series.items())
        for i, label in enumerate(block.labels)
        if finite(numbers[i])
    ]
    side = 1 if block.stacked else max(len(look), 1)
    step = max(6 * side, 16) + 4
    label = {
        'field': 'i',
        'type': 'ordinal',
        'title': None,
        'scale': {'domain': list(range(num)), 'paddingInner': 0.2},
        'axis': {
            'labelExpr': 'labels[datum.value]',
            'labelLimit': 140,
            'labelAngle': 0,
            'labels': num <= MAX_LABELS,
            'ticks': False,
            'domain': False,
            'grid': False,
        },
    }
    length = axis('v', block.y_label, zero=True)
    if block.stacked:
        length['stack'] = 'zero'
    encoding = {
        'x' if upright else 'y': label,
        'y' if upright else 'x': length,
        'color': color_of(look, colors),
        'opacity': OPACITY,
        'tooltip': [
            {'field': 'label', 'type': 'nominal', 'title': ' '},
            *([{'field': 'name', 'type': 'nominal'}] if len(look) > 1 else []),
            {'field': 'v', 'type': 'quantitative', 'title': block.y_label},
        ],
    }
    if side > 1:
        encoding['xOffset' if upright else 'yOffset'] = {'field': 's'}
    return {
        'width': 720,
        'height': 260 if upright else step * num,
        'params': [{'name': 'labels', 'value': block.labels}, *params_of(look)],
        'data': {'values': values},
        'transform': [SHOWN],
        'mark': {'type': 'bar'},
        'encoding': encoding,
    }
