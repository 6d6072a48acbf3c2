"""Picture of a confusion matrix.

Legend: K classes.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

MAX_NUMBERED = 30  # classes whose cells bear numbers
MAX_NAME = 20  # characters


def shortened(name: str, length: int = MAX_NAME) -> str:
    """The beginning of a long name."""
    return name if len(name) <= length else name[: length - 1] + '…'


def draw_confusion(confusion: np.ndarray, classes: Sequence[str], path: str) -> None:
    """Write the picture of a confusion matrix.

    A cell's colour is its share of the images of its true class. Up to
    ``MAX_NUMBERED`` classes each cell also bears its number of images, and
    each row and column its class; of more some are named.

    Args:
        confusion: (K, K) number of images by true and by predicted label.
        classes: Names of the K classes.
        path: File to write, a PNG.
    """
    num_classes, num_images = len(classes), confusion.sum()
    support = confusion.sum(1, keepdims=True)
    shares = 100 * confusion / np.maximum(support, 1)
    numbered = num_classes <= MAX_NUMBERED
    side = 3.5 + (0.42 * num_classes if numbered else 8.5)  # inches
    figure = Figure(figsize=(side + 1, side), dpi=120, layout='constrained')
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
    names = [shortened(classes[i]) for i in ticks]
    axes.set_xticks(ticks, names, rotation=90)
    axes.set_yticks(ticks, names)
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
    canvas.print_png(path)
