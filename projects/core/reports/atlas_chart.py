"""The atlas in one picture: what an architecture reaches against what it costs.

The page shows the same as charts to hover over; a picture has to name all points.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from projects.core.errors import UserError
from projects.core.files import output_file
from projects.core.reports.atlas import grouped, main_metric, title_of
from projects.core.reports.entries import Entry, better
from projects.core.reports.runs import Run

DPI = 120
WIDTH = 11  # inches
FONT = 11  # points
#: points below which a panel says nothing
LEAST_POINTS = 3
# where names may stand: distances in pixels, and directions
DISTANCES = (10, 14, 20, 30, 42, 56, 72, 90, 110)
NUM_DIRECTIONS = 24
GAP = 8


@dataclass
class Panel:
    """Points of one task and data set.

    Args:
        title: What they are.
        metric: On the vertical axis.
        entries: Those of which cost and metric are known.
    """

    title: str
    metric: str
    entries: list[Entry]


def draw_atlas_chart(runs: Mapping[str, Run | str], out: str) -> None:
    """Draw the metric of each task against multiply-accumulates, as a PNG.

    A line joins the models that no other surpasses with fewer operations.

    Args:
        runs: See :func:`projects.core.reports.atlas.sections_of`.
        out: The picture.

    Raises:
        UserError: If there is nothing to draw, or the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    panels = panels_of(runs)
    if not panels:
        raise UserError(
            f'{out}: no task has {LEAST_POINTS} runs of which a metric and the '
            'multiply-accumulates are known'
        )
    figure = draw(panels)
    with output_file(out, '--out') as file:
        FigureCanvasAgg(figure).print_png(file)


def panels_of(runs: Mapping[str, Run | str]) -> list[Panel]:
    """What is to be drawn, the task of most runs first; on the same data each."""
    panels = []
    for (task, data), entries in grouped(runs).items():
        metric = main_metric(entries)
        if metric is None:
            continue
        known = [
            entry
            for entry in entries
            if entry.best_mean(metric) is not None and _operations(entry)
        ]
        # numbers on different data are not to be compared
        if len(known) >= LEAST_POINTS and len({e.data for e in known}) == 1:
            panels.append(Panel(title_of(task, data), metric, known))
    return panels


def draw(panels: Sequence[Panel]):
    """The figure: the first panel over the whole width, below it the others."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    below = panels[1:]
    heights = [6.2] + [3.8] * math.ceil(len(below) / 2)
    figure = Figure(figsize=(WIDTH, sum(heights)), dpi=DPI, layout='constrained')
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    places = [grid[0, :]]
    for i in range(len(below)):
        alone = i % 2 == 0 and i == len(below) - 1
        places.append(grid[1 + i // 2, :] if alone else grid[1 + i // 2, i % 2])
    drawn = []
    for panel, place in zip(panels, places, strict=True):
        axes = figure.add_subplot(place)
        _draw_panel(axes, panel)
        drawn.append(axes)
    figure.draw_without_rendering()  # the layout moves the axes
    figure.set_layout_engine('none')
    for panel, axes in zip(panels, drawn, strict=True):
        points = [(_point(e, panel.metric), e.name) for e in panel.entries]
        front = _front([place for place, _ in points], better(panel.metric))
        place_names(axes, points, front)
    return figure


def _operations(entry: Entry) -> float | None:
    return entry.record(lambda r: r.macs)


def _point(entry: Entry, metric: str) -> tuple[float, float]:
    return _operations(entry), entry.best_mean(metric)


def _draw_panel(axes, panel: Panel) -> None:
    from matplotlib import colormaps

    points = {entry.name: _point(entry, panel.metric) for entry in panel.entries}
    families = sorted({entry.family for entry in panel.entries})
    best = _front(list(points.values()), better(panel.metric))
    axes.plot(*zip(*best, strict=True), color='0.75', linewidth=1.5, zorder=1)
    for entry in panel.entries:
        color = colormaps['tab20'](families.index(entry.family) % 20)
        axes.plot(*points[entry.name], 'o', color=color, markersize=7, zorder=3)
    axes.set_xscale('log')
    axes.margins(x=0.08, y=0.14)
    if better(panel.metric) == '-':
        axes.invert_yaxis()
    name = re.sub('[/_]', ' ', panel.metric)
    arrow = {'+': ' (higher is better)', '-': ' (lower is better)'}
    axes.set_ylabel(name + arrow.get(better(panel.metric), ''), fontsize=FONT)
    axes.set_xlabel('multiply-accumulates of one input', fontsize=FONT)
    axes.set_title(panel.title, loc='left', fontsize=FONT + 2, fontweight='bold')
    axes.tick_params(labelsize=FONT)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)


def _front(points: list[tuple[float, float]], sign: str) -> list[tuple[float, float]]:
    """Those that none with fewer operations reaches."""
    factor = -1 if sign == '-' else 1
    best: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda p: (p[0], -factor * p[1])):
        if not best or factor * y > factor * best[-1][1]:
            best.append((x, y))
    return best


def place_names(
    axes,
    points: Sequence[tuple[tuple[float, float], str]],
    line: Sequence[tuple[float, float]] = (),
) -> list:
    """Write names beside points so that none covers another, or a point.

    The most crowded point is named first; each name takes the nearest free place,
    and a thin line leads to it where that is not beside the point.

    Args:
        axes: Laid out; nothing may move it afterwards.
        points: Places in data coordinates, and names.
        line: Corners of a line that no name should cover.

    Returns:
        list: The texts, as matplotlib's.
    """
    from matplotlib.transforms import Bbox

    renderer = axes.figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    centers = [axes.transData.transform(place) for place, _ in points]
    taken = [Bbox.from_extents(x - 7, y - 7, x + 7, y + 7) for x, y in centers]
    corners = [axes.transData.transform(place) for place in line]
    for (x0, y0), (x1, y1) in pairwise(corners):
        steps = int(math.dist((x0, y0), (x1, y1)) // 8) + 1
        for k in range(steps):
            x, y = x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps
            taken.append(Bbox.from_extents(x - 1, y - 1, x + 1, y + 1))

    def crowd(i: int) -> float:
        return sum(math.exp(-math.dist(centers[i], center) / 60) for center in centers)

    texts = []
    for i in sorted(range(len(points)), key=crowd, reverse=True):
        x, y = centers[i]
        text = axes.text(0, 0, points[i][1], fontsize=FONT, color='0.15', zorder=4)
        size = text.get_window_extent(renderer)
        box, distance = _free_place(x, y, size.width, size.height, taken, frame)
        taken.append(box.padded(GAP, 0))  # two names in a row stay two
        inverse = axes.transData.inverted()
        text.set_position(inverse.transform((box.x0, box.y0)))
        text.set_verticalalignment('bottom')
        if distance > DISTANCES[1]:
            end = (min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1))
            leader = inverse.transform([(x, y), end])
            axes.plot(*leader.T, color='0.6', linewidth=0.7, zorder=2)
        texts.append(text)
    return texts


def _free_place(x, y, width, height, taken, frame):
    """The nearest box of a size that meets none of those that are taken."""
    from matplotlib.transforms import Bbox

    best = None
    for distance in DISTANCES:
        for k in range(NUM_DIRECTIONS):
            angle = 2 * math.pi * k / NUM_DIRECTIONS
            dx, dy = math.cos(angle), math.sin(angle)
            # the point of the box that is next to (x, y) lies at the distance
            left = x + distance * dx - width * (1 - dx) / 2
            low = y + distance * dy - height * (1 - dy) / 2
            box = Bbox.from_extents(left, low, left + width, low + height)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
            inside = inside and frame.y0 <= box.y0 and box.y1 <= frame.y1
            meets = box.count_overlaps(taken) if inside else math.inf
            if meets == 0:
                return box, distance
            if best is None or meets < best[0]:
                best = meets, box, distance
    return best[1:]
