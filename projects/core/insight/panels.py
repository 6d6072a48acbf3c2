"""How pictures of several panels look.

Legend: H and W in pixels of the network's input.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from projects.core.tasks.drawing import MAX_SIDE

DPI = 100
SIDE = 2.4  # inches of a panel


def panels(
    num: int,
    caption: str,
    columns: int = 4,
    title_lines: int = 1,
    aspect: float = 1.0,
    least_columns: int = 2,
    side: float = SIDE,
) -> tuple[Figure, list[Axes]]:
    """A figure of panels without axes, with a caption below.

    Args:
        num: Of panels.
        caption: What is shown, in lines.
        columns: Panels in a row at most.
        title_lines: Lines of a panel's title.
        aspect: Width of a panel by its height.
        least_columns: So many panels are as wide as the figure is at least.
        side: Width of a panel in inches; less where there are many.
    """
    columns = min(columns, num)
    rows = -(-num // columns)
    side = min(side, MAX_SIDE / DPI / (rows + 1))
    width = side * min(aspect, 2.0)
    height = width / aspect
    lines = caption.count('\n') + 1
    figure = Figure(
        figsize=(
            width * max(columns, least_columns),
            (height + 0.18 * title_lines + 0.12) * rows + 0.17 * lines + 0.1,
        ),
        dpi=DPI,
        layout='constrained',
    )
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid:
        axes.set_axis_off()
    figure.supxlabel(caption, fontsize=8.5, x=0.01, ha='left')
    return figure, list(grid[:num])


def show_image(axes: Axes, picture: np.ndarray, dimmed: bool = False) -> None:
    """The image, pixel by pixel; grey and dark below a map.

    Args:
        axes: Panel.
        picture: (H, W, 3) uint8 RGB.
        dimmed: Whether a map is to be laid over it.
    """
    height, width = picture.shape[:2]
    smooth = 'nearest' if max(height, width) < 200 else 'antialiased'
    extent = (0, width, height, 0)
    if dimmed:  # its own white would pass for heat
        axes.imshow(
            picture.mean(-1),
            cmap='gray',
            vmin=0,
            vmax=510,
            extent=extent,
            interpolation=smooth,
        )
    else:
        axes.imshow(picture, extent=extent, interpolation=smooth)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def show_heat(axes: Axes, heat: np.ndarray, extent: tuple[int, int]) -> None:
    """A map over the image, smoothly.

    Args:
        axes: Panel with the image.
        heat: (h, w), at least 0.
        extent: Height and width in pixels that it covers.
    """
    most = max(float(heat.max()), 1e-12)
    axes.imshow(
        heat,
        cmap='inferno',
        alpha=0.15 + 0.65 * heat / most,  # the image is seen where it is cold
        vmin=0,
        vmax=most,
        extent=(0, extent[1], extent[0], 0),
        interpolation='bilinear',
    )


def show_box(axes: Axes, box, colour='cyan', line: str = '-', width: float = 1.5):
    """An xyxy box in pixels."""
    x1, y1, x2, y2 = box
    patch = Rectangle(
        (x1, y1),
        x2 - x1,
        y2 - y1,
        fill=False,
        edgecolor=colour,
        linestyle=line,
        linewidth=width,
    )
    axes.add_patch(patch)


def ending(name: str, length: int = 36) -> str:
    """The end of a dotted name, without its first part."""
    name = name.partition('.')[2] or name
    return name if len(name) <= length else '…' + name[1 - length :]


def colour_bar(figure: Figure, axes, cmap: str, low, high, label: str) -> None:
    """A scale beside panels, marked at both ends."""
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), cmap), ax=axes, shrink=0.8, pad=0.02, aspect=18
    )
    bar.set_ticks([0, 1], labels=[low, high], fontsize=8)
    bar.set_label(label, fontsize=8)
    bar.outline.set_visible(False)
