"""Points as a Vega-Lite specification, see :mod:`.charts`."""

import math
from collections.abc import Sequence
from typing import Any

from projects.core.reports.blocks import Points
from projects.core.reports.channels import (
    FONT,
    OPACITY,
    SHOWN,
    axis,
    color_of,
    legend_of,
    params_of,
    shape_of,
)
from projects.core.reports.looks import groups_of, looks
from projects.core.reports.thinning import finite, rounded

MAX_NAMED = 60  # points; of more, as of samples in a plane, names hide the points


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
    x = axis('x', block.x_label, block.log_x)
    y = axis('y', block.y_label)
    x['scale'] |= {'padding': 12, 'nice': not block.log_x}
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
                'data': {'values': front(values, block.lower)},
                'mark': {'type': 'line', 'strokeWidth': 1.25},
                'encoding': {'x': x, 'y': y, 'color': grey},
            }
        )
    encoding = {
        'x': x,
        'y': y,
        'color': color_of(look, colors),
        'shape': shape_of(look, legend_of(look)),
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
            'mark': {
                'type': 'point',
                'filled': True,
                'size': 70 if len(values) <= MAX_NAMED else 16,
            },
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
                'font': {'value': FONT},
                'fontSize': {'value': 11},
                'limit': {'value': 140},
            }
        },
        'transform': [
            {
                'type': 'label',
                'size': {'signal': '[max(width, 1), max(height, 1)]'},
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
        'params': params_of(look),
        'layer': layers,
        'usermeta': {'marks': [names] if len(values) <= MAX_NAMED else []},
    }


def address(link: str) -> str:
    """A link that a page may have; '' of one that would run a script."""
    scheme = link.partition(':')[0].lower() if ':' in link.partition('/')[0] else ''
    return link if scheme in ('', 'http', 'https', 'file') else ''


def front(values: list[dict[str, Any]], lower: bool = False) -> list[dict[str, Any]]:
    """Points that none surpasses, being both further to the left and higher.

    Args:
        values: Points with ``x`` and ``y``.
        lower: Lower counts as higher.
    """
    sign = -1 if lower else 1
    best: list[dict[str, Any]] = []
    for value in sorted(values, key=lambda v: (v['x'], -sign * v['y'])):
        if not best or sign * value['y'] > sign * best[-1]['y']:
            best.append({'x': value['x'], 'y': value['y']})
    return best


def names(block: Points, colors: dict[str, str], size: tuple[int, int]) -> dict:
    """Layer of the names of points, for what has no browser: none covers another.

    Args:
        block: The points.
        colors: See :func:`projects.core.reports.charts.spec`.
        size: Width and height of the area within the axes, in pixels.
    """
    shown = [
        p
        for p in block.points
        if finite(p.x) and finite(p.y) and not (block.log_x and p.x <= 0)
    ]
    if len(shown) > MAX_NAMED:
        shown = []
    x = _stretched([math.log(p.x) if block.log_x else p.x for p in shown], size[0])
    y = _stretched([p.y for p in shown], size[1])
    taken = [(a - 6, b - 7, a + 6, b + 7) for a, b in zip(x, y, strict=True)]
    values = []
    for i, point in enumerate(shown):
        width = 6 * min(len(point.name), 24) + 4
        box = (x[i] + 7, y[i] - 7, x[i] + 7 + width, y[i] + 7)
        others = taken[:i] + taken[i + 1 :]
        if not any(
            box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3]
            for o in others
        ):
            taken.append(box)
            values.append(
                {'x': rounded(point.x), 'y': rounded(point.y), 'name': point.name}
            )
    return {
        'data': {'values': values},
        'mark': {'type': 'text', 'align': 'left', 'dx': 8, 'limit': 140},
        'encoding': {
            'x': axis('x', block.x_label, block.log_x),
            'y': axis('y', block.y_label),
            'text': {'field': 'name', 'type': 'nominal'},
            'color': {'value': colors['ink']},
        },
    }


def _stretched(values: Sequence[float], length: float) -> list[float]:
    """Numbers from the least at 0 to the greatest at nine tenths of a length."""
    low, high = min(values, default=0), max(values, default=0)
    return [0.9 * length * (v - low) / ((high - low) or 1) for v in values]
