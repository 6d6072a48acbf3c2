"""What the charts have in common: axes, and how series are told apart."""

from collections.abc import Sequence
from typing import Any

from projects.core.reports.looks import Look
from projects.core.reports.thinning import rounded

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif'
# numbers as short as an axis wants them: 20k, 0.25, 1e-5
NUMBER_LABEL = (
    "datum.label === '' ? '' : abs(datum.value) >= 1e4 ? format(datum.value, '~s') : "
    "datum.value !== 0 && abs(datum.value) < 1e-3 ? format(datum.value, '~e') : "
    'datum.label'
)


def axis(
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
    look: dict[str, Any] = {
        'labelExpr': NUMBER_LABEL,
        'tickCount': 6,
        'labelOverlap': 'greedy',
        'labelSeparation': 6,
    }
    if log:  # lines at the powers of ten
        power = 'log(datum.value) / LN10'
        test = f'abs({power} - round({power})) < 1e-6'
        look['gridOpacity'] = {'condition': {'test': test, 'value': 1}, 'value': 0.25}
    return {
        'field': field,
        'type': 'quantitative',
        'title': title,
        'scale': scale,
        'axis': look,
    }


def values_of_series(values: Sequence[Any]) -> dict[str, Any]:
    """Values of the series 0, 1, ..., as they are."""
    return {'domain': list(range(len(values))), 'range': list(values)}


def color_of(look: list[Look], colors: dict[str, str]) -> dict[str, Any]:
    """Channel of the colours of series; their names are the param ``names``."""
    return {
        'field': 's',
        'type': 'nominal',
        'scale': values_of_series([colors[item.color] for item in look]),
        'legend': legend_of(look),
    }


def legend_of(look: list[Look], symbol: str | None = None) -> dict[str, Any] | None:
    if len(look) < 2:
        return None
    legend = {'labelExpr': 'names[datum.value]'}
    return legend | {'symbolType': symbol, 'symbolSize': 300} if symbol else legend


def shape_of(look: list[Look], legend: dict[str, Any] | None = None) -> dict[str, Any]:
    """Channel of the shapes of points."""
    return {
        'field': 's',
        'type': 'nominal',
        'scale': values_of_series([item.shape for item in look]),
        'legend': legend,
    }


def params_of(look: list[Look]) -> list[dict[str, Any]]:
    """Of series: their names, those that are hidden, the one that stands out."""
    return [
        {'name': 'names', 'value': [item.name for item in look]},
        {'name': 'hidden', 'value': []},
        {'name': 'lit', 'value': -1},
    ]


ZOOM = {
    'name': 'zoom',
    'select': {
        'type': 'interval',
        'encodings': ['x'],
        # the wheel alone, and a finger, move the page
        'zoom': 'wheel![event.ctrlKey]',
        'translate': (
            "[pointerdown[event.pointerType === 'mouse'], window:pointerup] "
            '> window:pointermove!'
        ),
    },
    'bind': 'scales',
}
SHOWN = {'filter': 'indexof(hidden, datum.s) < 0'}
OPACITY = {
    'condition': {'test': 'lit < 0 || datum.s === lit', 'value': 1},
    'value': 0.15,
}
