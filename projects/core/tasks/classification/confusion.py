"""Picture of a confusion matrix.

Legend: K classes.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from projects.core.files import output_file
from projects.core.tasks.drawing import MAX_SIDE, in_one_line, shortened

MAX_NUMBERED = 30  # classes whose cells bear numbers


def draw_confusion(confusion: np.ndarray, classes: Sequence[str], path: str) -> None:
    """Write the picture of a confusion matrix.

    A cell's colour is its share of the images of its true class. Up to
    ``MAX_NUMBERED`` classes each cell also bears its number of images, and
    each row and column its class; of more some are named.

    Args:
        confusion: (K, K) number of images by true and by predicted label.
        classes: Names of the K classes.
        path: File to write, a PNG.

    Raises:
        UserError: As of :func:`projects.core.files.output_file`.
    """
    num_classes, num_images = len(classes), confusion.sum()
    support = confusion.sum(1, keepdims=True)
    shares = 100 * confusion / np.maximum(support, 1)
    numbered = num_classes <= MAX_NUMBERED
    side = 3.5 + (0.42 * num_classes if numbered else 8.5)  # inches
    dpi = min(120, MAX_SIDE / (side + 1))
    figure = Figure(figsize=(side + 1, side), dpi=dpi, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # the root of the share: a few mistakes among many images stay visible
    picture = axes.imshow(
        shares, cmap='Blues', interpolation='nearest', norm=PowerNorm(0.5, 0, 100)
    )
    figure.colorbar(
        picture,
        ax=axes,
        shrink=0.8,
        ticks=[0, 1, 5, 20, 50, 100],
        label='% of the images of the true class',
    )
    ticks = range(0, num_classes, -(-num_classes // MAX_NUMBERED))
    names = [shortened(in_one_line(classes[i])) for i in ticks]
    # a name may hold dollar signs
    axes.set_xticks(ticks, names, rotation=90, parse_math=False)
    axes.set_yticks(ticks, names, parse_math=False)
    axes.set_xlabel('predicted class')
    axes.set_ylabel('true class')
    axes.set_title(
        f'{np.trace(confusion)} of {num_images} images right, '
        f'{100 * np.trace(confusion) / max(num_images, 1):.2f} %'
    )
    if numbered:
        for (i, j), count in np.ndenumerate(confusion):
            if count:
                axes.text(
                    j,
                    i,
                    str(count),
                    ha='center',
                    va='center',
                    fontsize=8,
                    color='white' if shares[i, j] > 35 else 'black',
                )
    with output_file(path, '--work-dir') as file:
        canvas.print_png(file)
