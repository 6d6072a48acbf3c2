"""Charts of a page: blocks as Vega-Lite specifications.

The chart library is Vega-Lite (Satyanarayan et al., "Vega-Lite: A Grammar of
Interactive Graphics", InfoVis 2016): a chart is stated as data, and the same statement
is drawn by a browser and, by ``vl-convert``, as a PNG. Names that come from users are
values of data, never parts of expressions.
"""

import os
from functools import cache
from typing import Any

from projects.core.errors import UserError
from projects.core.reports import chart_kinds, heatmap, scatter
from projects.core.reports.blocks import Bars, Block, Curves, Matrix, Points
from projects.core.reports.channels import FONT
from projects.core.reports.looks import LIGHT

CHARTS = (Curves, Bars, Points, Matrix)
#: points of a line on a page
LIMIT = 500
#: bytes that suffice for the JavaScript engine of the library; 60 GB do not
ADDRESS_SPACE = 100_000_000 * 1024


def spec(
    block: Block, colors: dict[str, str] = LIGHT, limit: int = LIMIT
) -> dict[str, Any]:
    """The Vega-Lite specification of a block.

    ``usermeta.marks`` are marks of Vega that Vega-Lite has no word for: the names of
    points, placed so that none covers another.

    Args:
        block: Curves, bars, points or a matrix.
        colors: By the names of :data:`projects.core.reports.looks.LIGHT`.
        limit: Most points of a line, see :func:`projects.core.reports.thinning.kept`.

    Raises:
        TypeError: If the block is of another kind.
    """
    if isinstance(block, Curves):
        chart = chart_kinds.curves(block, colors, limit)
    elif isinstance(block, Bars):
        chart = chart_kinds.bars(block, colors)
    elif isinstance(block, Points):
        chart = scatter.points(block, colors)
    elif isinstance(block, Matrix):
        chart = heatmap.matrix(block, colors)
    else:
        raise TypeError(f'a block of kind {block.kind} is no chart')
    chart['title'] = {'text': block.title, 'anchor': 'start'}
    chart['config'] = _config(colors)
    return chart


def thinned(block: Block, limit: int = LIMIT) -> str:
    """What is not drawn of a block, in words; '' if all is."""
    if isinstance(block, Curves):
        num = max((len(s.x) for s in block.series), default=0)
        if num > limit:
            return (
                f'At most {limit} of {num:,} points of a line are drawn: the least '
                'and the greatest value of each interval.'
            )
    if isinstance(block, Matrix):
        step = heatmap.cells_in_one(block)
        if step > 1:
            return f'A cell stands for {step} × {step} of the matrix.'
    return ''


def png(block: Block, width: int = 720, scale: float = 2) -> bytes:
    """A chart as a PNG on white.

    Args:
        block: See :func:`spec`.
        width: Of the area within the axes, in pixels at ``scale`` 1.
        scale: Pixels of the picture for one of those.

    Raises:
        ValueError: If it cannot be drawn.
    """
    vl_convert = _vl_convert()
    chart = spec(block)
    chart['width'] = width
    if isinstance(block, Points):
        size = (width, chart['height'])
        chart['layer'].append(scatter.names(block, LIGHT, size))
    # vl-convert knows no system-ui
    chart['config'] |= dict(font='Liberation Sans, Arial, sans-serif', padding=12)
    return vl_convert.vegalite_to_png(chart, scale=scale, allowed_base_urls=[])


def _vl_convert():
    """The library; its JavaScript engine ends the process, without an exception, where
    it cannot reserve the address space that it wants.

    Raises:
        UserError: If that is limited.
    """
    if os.name == 'posix':
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY and limit < ADDRESS_SPACE:
            raise UserError(
                f'charts need {ADDRESS_SPACE // 1024:,} kB of address space, and '
                f'ulimit -v allows {limit // 1024:,}; raise that limit'
            )
    import vl_convert

    return vl_convert


@cache
def script() -> str:
    """Vega-Lite as one JavaScript, 0.9 MB; it takes two seconds, once."""
    bundle = _vl_convert().javascript_bundle('window.vegaEmbed = vegaEmbed;')
    # what would end the script element of a page
    return bundle.replace('</script', '<\\/script')


def _config(colors: dict[str, str]) -> dict[str, Any]:
    return {
        'background': colors['paper'],
        'font': FONT,
        'aria': False,
        'view': {'stroke': None},
        'title': {'color': colors['ink'], 'fontSize': 14, 'fontWeight': 600},
        'axis': {
            'labelColor': colors['muted'],
            'titleColor': colors['muted'],
            'titleFontWeight': 'normal',
            'gridColor': colors['line'],
            'domainColor': colors['edge'],
            'tickColor': colors['edge'],
            'labelFontSize': 11,
            'titleFontSize': 12,
            'titlePadding': 8,
        },
        'legend': {
            'labelColor': colors['ink'],
            'labelFontSize': 12,
            'labelLimit': 200,
            'symbolStrokeWidth': 2,
            'title': None,
            'orient': 'bottom',
            'columns': 3,
            'symbolLimit': 0,
        },
    }
