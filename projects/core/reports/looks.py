"""How a page and its charts look: colours in light and in dark, dashes, shapes.

Words reach a contrast of 4.5 to 1 on the paper, lines one of 3 to 1 (WCAG 2.2,
1.4.3 and 1.4.11). The six of the series remain apart for those who do not see red,
green or blue (by the matrices of Machado et al., 2009, no two are closer than 12 in
CIELAB), and series differ by dashes and shapes as well.
"""

from dataclasses import dataclass

from projects.core.reports.blocks import Bars, Block, Curves, Points

LIGHT = {
    'paper': '#ffffff',
    'panel': '#f6f7f9',
    'ink': '#1b1e23',
    'muted': '#575d68',
    'line': '#d9dce2',
    'edge': '#80868f',
    'accent': '#00609b',
    'warn': '#fff4d6',
    'heat': '#4a9ccc',
    'cold': '#e58a4e',
    'c0': '#0072b2',
    'c1': '#d55e00',
    'c2': '#009e73',
    'c3': '#882255',
    'c4': '#33297a',
    'c5': '#b96fae',
}
DARK = {
    'paper': '#14171b',
    'panel': '#1c2026',
    'ink': '#e8eaed',
    'muted': '#a3a9b3',
    'line': '#343a43',
    'edge': '#7d848f',
    'accent': '#7cc4f2',
    'warn': '#3a3012',
    'heat': '#2a6797',
    'cold': '#9a4a1c',
    'c0': '#56b4e9',
    'c1': '#e8743b',
    'c2': '#35d6a8',
    'c3': '#f4a8d8',
    'c4': '#8d7fe8',
    'c5': '#f5e88a',
}
#: the same names as CSS variables, which the two themes set
VARIABLES = {name: f'var(--{name})' for name in LIGHT}
NUM_SERIES_COLORS = 6
# (whole, dashed) lines of the first six groups, of the next six, and so on
DASHES = [
    ([1, 0], [6, 3]),
    ([10, 2, 2, 2], [6, 2, 2, 2]),
    ([2, 2], [2, 4]),
    ([14, 3], [10, 3]),
    ([8, 2, 2, 2, 2, 2], [5, 2, 2, 2, 2, 2]),
]
#: names of Vega's symbols, with their outlines in a square of 12
SHAPES = {
    'circle': 'M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10',
    'square': 'M1.5 1.5h9v9h-9z',
    'triangle-up': 'M6 1l5.5 10h-11z',
    'diamond': 'M6 0l4.5 6l-4.5 6l-4.5-6z',
    'cross': 'M4 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z',
    'triangle-down': 'M6 11l5.5-10h-11z',
}


@dataclass
class Look:
    """How a series is drawn, and shown in the legend.

    Args:
        name: Its name.
        color: Key of :data:`LIGHT`.
        dash: Lengths of line and gap, in turn, in pixels.
        shape: Of its points.
    """

    name: str
    color: str
    dash: list[int]
    shape: str


def looks(block: Block) -> list[Look]:
    """Looks of the series of a chart; of points those of the groups."""
    if isinstance(block, Curves):
        groups = list(dict.fromkeys(s.group or s.name for s in block.series))
        return [
            _look(s.name, groups.index(s.group or s.name), s.dashed)
            for s in block.series
        ]
    if isinstance(block, Bars):
        return [_look(name, i) for i, name in enumerate(block.series)]
    if isinstance(block, Points):
        return [_look(name, i) for i, name in enumerate(groups_of(block))]
    return []


def _look(name: str, index: int, dashed: bool = False) -> Look:
    dashes = DASHES[index // NUM_SERIES_COLORS % len(DASHES)]
    return Look(
        name,
        f'c{index % NUM_SERIES_COLORS}',
        dashes[dashed],
        list(SHAPES)[(index + index // NUM_SERIES_COLORS) % len(SHAPES)],
    )


def groups_of(block: Points) -> list[str]:
    """Groups of points, in the order of their first ones."""
    return list(dict.fromkeys(p.group for p in block.points))
