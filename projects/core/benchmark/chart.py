"""A chart of published accuracy against operations, of all variants."""

import json
import re
from collections import defaultdict
from pathlib import Path

from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.logging import MMLogger

from projects.core.errors import UserError, described
from projects.core.files import output_file

Point = tuple[float, float]
MARKERS = 'os^Dv'
PRE_TRAINED = re.compile('ImageNet-2[12]k')  # two names of one data set
TABLE = Path(__file__).parents[3] / 'resources/architectures.json'


def draw_accuracy_chart(out: str, table: str | Path = TABLE) -> None:
    """Draw top-1 on ImageNet against multiply-accumulates, a colour per family.

    A line joins those of a family that no other of it surpasses in both; the
    others stand beside it. Rings are those that saw ImageNet-21k before. Entries
    without a published top-1 are left out; the log counts them.

    Args:
        out: The picture to write, a PNG.
        table: JSON of entries by name, each with 'family', 'macs_g' (10^9
            multiply-accumulates), 'top1' (%) and its 'top1_source'.

    Raises:
        UserError: If the table cannot be read, has no such entries, or the picture
            cannot be written.
    """
    try:
        entries = json.loads(Path(table).read_text(encoding='utf-8'))
        families: dict[str, list[Point]] = defaultdict(list)
        pre_trained = []
        for entry in entries.values():
            if entry.get('top1'):
                point = float(entry['macs_g']), float(entry['top1'])
                families[entry['family']].append(point)
                if PRE_TRAINED.search(entry['top1_source']):
                    pre_trained.append(point)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f'{table}: no table of entries: {described(error)}') from error
    if not families:
        raise UserError(f'{table}: no entry has a top1')
    figure = Figure(figsize=(12, 8), dpi=110, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    best_first = sorted(families.items(), key=lambda f: -max(p[1] for p in f[1]))
    for i, (family, points) in enumerate(best_first):
        style = dict(color=colormaps['tab10'](i % 10), marker=MARKERS[i // 10])
        best = _not_surpassed(points)
        rest = [point for point in points if point not in best]
        axes.plot(*zip(*best, strict=True), label=family, markersize=6, **style)
        if rest:
            axes.scatter(*zip(*rest, strict=True), s=18, alpha=0.5, **style)
    for point in pre_trained:
        axes.plot(*point, 'o', color='white', markersize=3)
    axes.set_xscale('log')
    axes.set_xlabel('multiply-accumulates of an image, in 10⁹ (log scale)')
    axes.set_ylabel('top-1 on ImageNet, %, as published')
    axes.grid(alpha=0.3, which='both')
    axes.legend(loc='lower right', ncols=2, fontsize=10)
    with output_file(out, '--out') as file:
        canvas.print_png(file)
    num_points = sum(map(len, families.values()))
    MMLogger.get_current_instance().info(
        f'{out}: {num_points} of {len(entries)} entries; the others have no '
        'published top-1'
    )


def _not_surpassed(points: list[Point]) -> list[Point]:
    """Those that no point with fewer operations reaches, by operations."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p[0], -p[1])):
        if not best or point[1] > best[-1][1]:
            best.append(point)
    return best
