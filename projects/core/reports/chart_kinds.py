"""Curves, bars and points as Vega-Lite specifications, see :mod:`.charts`."""

from collections.abc import Sequence
from typing import Any

from projects.core.reports.blocks import Bars, Curves, Points
from projects.core.reports.looks import Look, groups_of, looks
from projects.core.reports.thinning import finite, kept, rounded

#: bars whose labels are written
MAX_LABELS = 60
# numbers as short as an axis wants them: 20k, 0.25, 1e-5
NUMBER_LABEL = (
    "datum.label === '' ? '' : abs(datum.value) >= 1e4 ? format(datum.value, '~s') : "
    "datum.value !== 0 && abs(datum.value) < 1e-3 ? format(datum.value, '~e') : "
    'datum.label'
)


def _axis(
    field: str,
    title: str,
    log: bool = False,
    bounds: Sequence[float] | None = None,
    zero: bool = False,
) -> dict[str, Any]:
    """Channel of numbers along an axis."""
    scale: dict[str, Any] = {'type': 'log'} if log else {'zero': zero}
    if bounds is not None:
        scale |= {'domain': [rounded(b) for b in bounds], 'nice': False}
    axis = {'labelExpr': NUMBER_LABEL, 'tickCount': 6, 'labelOverlap': True}
    if log:  # lines at the powers of ten
        power = 'log(datum.value) / LN10'
        test = f'abs({power} - round({power})) < 1e-6'
        axis['gridOpacity'] = {'condition': {'test': test, 'value': 1}, 'value': 0.25}
    return {
        'field': field,
        'type': 'quantitative',
        'title': title,
        'scale': scale,
        'axis': axis,
    }


def _scale(values: Sequence[Any]) -> dict[str, Any]:
    """Values of the series 0, 1, ..., as they are."""
    return {'domain': list(range(len(values))), 'range': list(values)}


def _color(look: list[Look], colors: dict[str, str]) -> dict[str, Any]:
    """Channel of the colours of series; their names are the param ``names``."""
    legend = {'labelExpr': 'names[datum.value]'} if len(look) > 1 else None
    return {
        'field': 's',
        'type': 'nominal',
        'scale': _scale([colors[item.color] for item in look]),
        'legend': legend,
    }


def _params(look: list[Look]) -> list[dict[str, Any]]:
    """Of series: their names, those that are hidden, the one that stands out."""
    return [
        {'name': 'names', 'value': [item.name for item in look]},
        {'name': 'hidden', 'value': []},
        {'name': 'lit', 'value': -1},
    ]


SHOWN = {'filter': 'indexof(hidden, datum.s) < 0'}
OPACITY = {
    'condition': {'test': 'lit < 0 || datum.s === lit', 'value': 1},
    'value': 0.15,
}


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
    x = _axis('x', block.x_label, block.log_x, block.x_range)
    y = _axis('y', block.y_label, block.log_y, block.y_range)
    dash = {
        'field': 's',
        'type': 'nominal',
        'scale': _scale([item.dash for item in look]),
        'legend': None,
    }
    shape = {
        'field': 's',
        'type': 'nominal',
        'scale': _scale([item.shape for item in look]),
        'legend': None,
    }
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
    # where the reader is: filled by the script of the page
    layers += [
        {
            'data': {'name': 'cursor'},
            'mark': {'type': 'rule', 'clip': True},
            'encoding': {'color': {'value': colors['edge']}},
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
            'encoding': {'y': y, 'shape': shape},
        },
    ]
    return {
        'width': 720,
        'height': 280,
        'params': _params(look),
        'encoding': {'x': x, 'color': _color(look, colors)},
        'layer': layers,
    }


def _on_axis(value: float | int | None, log: bool) -> float | int | None:
    """A number that the axis has; None for what is a gap."""
    value = rounded(value)
    return None if log and value is not None and value <= 0 else value


def bars(block: Bars, colors: dict[str, str]) -> dict[str, Any]:
    look = looks(block)
    num = len(block.labels)
    upright = num > MAX_LABELS or (num <= 12 and max(map(len, block.labels)) <= 8)
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
    length = _axis('v', block.y_label, zero=True)
    if block.stacked:
        length['stack'] = 'zero'
    encoding = {
        'x' if upright else 'y': label,
        'y' if upright else 'x': length,
        'color': _color(look, colors),
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
        'height': 260 if upright else {'step': step} if side == 1 else step * num,
        'params': [{'name': 'labels', 'value': block.labels}, *_params(look)],
        'data': {'values': values},
        'transform': [SHOWN],
        'mark': {'type': 'bar'},
        'encoding': encoding,
    }


def points(block: Points, colors: dict[str, str]) -> dict[str, Any]:
    look, groups = looks(block), groups_of(block)
    values = [
        {
            's': groups.index(point.group),
            'name': point.name,
            'group': point.group,
            'x': rounded(point.x),
            'y': rounded(point.y),
            **({'link': address(point.link)} if address(point.link) else {}),
        }
        for point in block.points
        if finite(point.x) and finite(point.y) and not (block.log_x and point.x <= 0)
    ]
    x = _axis('x', block.x_label, block.log_x)
    y = _axis('y', block.y_label)
    x['scale'] |= {'padding': 12}
    y['scale'] |= {'padding': 12}
    grey = {'value': colors['edge']}
    layers = []
    if block.diagonal and values:
        numbers = [v[k] for v in values for k in 'xy']
        ends = [{'x': n, 'y': n} for n in (min(numbers), max(numbers))]
        layers.append(
            {
                'data': {'values': ends},
                'mark': {'type': 'line', 'strokeDash': [4, 3], 'strokeWidth': 1},
                'encoding': {'x': x, 'y': y, 'color': grey},
            }
        )
    if block.front:
        layers.append(
            {
                'data': {'values': front(values)},
                'mark': {'type': 'line', 'strokeWidth': 1.25},
                'encoding': {'x': x, 'y': y, 'color': grey},
            }
        )
    encoding = {
        'x': x,
        'y': y,
        'color': _color(look, colors),
        'shape': {
            'field': 's',
            'type': 'nominal',
            'scale': _scale([item.shape for item in look]),
            'legend': None,
        },
        'opacity': OPACITY,
        'tooltip': [
            {'field': 'name', 'type': 'nominal', 'title': ' '},
            *([{'field': 'group', 'type': 'nominal'}] if len(look) > 1 else []),
            {'field': 'x', 'type': 'quantitative', 'title': block.x_label},
            {'field': 'y', 'type': 'quantitative', 'title': block.y_label},
        ],
    }
    if any('link' in value for value in values):
        encoding['href'] = {'field': 'link', 'type': 'nominal'}
    layers.append(
        {
            'name': 'points',
            'data': {'values': values},
            'transform': [SHOWN],
            'mark': {'type': 'point', 'filled': True, 'size': 70},
            'encoding': encoding,
        }
    )
    names = {
        'type': 'text',
        'from': {'data': 'points_marks'},
        'interactive': False,
        'encode': {
            'enter': {
                'text': {'field': 'datum.name'},
                'fill': {'value': colors['ink']},
                'fontSize': {'value': 11},
                'limit': {'value': 140},
            }
        },
        'transform': [
            {
                'type': 'label',
                'size': {'signal': '[width, height]'},
                'anchor': ['right', 'left', 'top', 'bottom', 'top-right'],
                'offset': [4],
                'padding': 0,
                'avoidMarks': ['points_marks'],
            }
        ],
    }
    return {
        'width': 720,
        'height': 360,
        'params': _params(look),
        'layer': layers,
        'usermeta': {'marks': [names]},
    }


def address(link: str) -> str:
    """A link that a page may have; '' of one that would run a script."""
    scheme = link.partition(':')[0].lower() if ':' in link.partition('/')[0] else ''
    return link if scheme in ('', 'http', 'https', 'file') else ''


def front(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Points that none surpasses, being both further to the left and higher."""
    best: list[dict[str, Any]] = []
    for value in sorted(values, key=lambda v: (v['x'], -v['y'])):
        if not best or value['y'] > best[-1]['y']:
            best.append({'x': value['x'], 'y': value['y']})
    return best
