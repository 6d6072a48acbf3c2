"""What the stages of a backbone make of an image.

Legend: C channels, h and w of a map.
"""

import numpy as np
from torch import Tensor

from projects.core.insight.panels import colour_bar, ending, panels, show_image
from projects.core.insight.stages import map_strides, stage_maps
from projects.core.insight.views import ViewOptions
from projects.core.tasks.subject import Drawn, NotServed, Subject

COLUMNS = 8
MAX_STAGES = 8


def most_varied(values: Tensor, num: int) -> list[int]:
    """The channels of a map (C, h, w) that differ most from place to place, the first
    the most, by their standard deviation."""
    deviations = values.float().flatten(1).std(1, correction=0)
    return deviations.topk(min(num, len(deviations))).indices.tolist()


def draw_features(subject: Subject, options: ViewOptions) -> Drawn:
    """The image, and of each stage a row of its most varied channels.

    Raises:
        NotServed: If the backbone makes no maps.
    """
    stages = stage_maps(subject.model, subject.inputs)
    if not stages:
        raise NotServed(
            f'a {type(subject.backbone).__name__} makes no maps of an image'
        )
    size = subject.inputs.shape[-2:]
    shown = stages[-MAX_STAGES:]
    caption = (
        'each row: the image, then the channels that differ most from place to place;\n'
        'each channel from its own least to its own greatest value, as above it'
    )
    height, width = subject.extent
    figure, axes = panels(
        COLUMNS * len(shown), caption, COLUMNS, 2, aspect=width / height, side=1.5
    )
    strides = map_strides(subject.model, subject.inputs)
    shapes = [
        f'{stage.shape}, stride {stride}'
        for stage, stride in zip(stages, strides, strict=True)
    ]
    for row, (stage, shape) in enumerate(zip(shown, shapes[-MAX_STAGES:], strict=True)):
        first, *others = axes[row * COLUMNS : (row + 1) * COLUMNS]
        show_image(first, subject.picture)
        first.set_title(f'{ending(stage.name, 24)}\n{shape}', fontsize=8, loc='left')
        values = stage.values[0].float().cpu()
        for panel, channel in zip(
            others, most_varied(values, COLUMNS - 1), strict=False
        ):
            _show(panel, values[channel].numpy(), channel, size, subject.extent)
    colour_bar(figure, axes, 'viridis', 'least', 'greatest', 'activation')
    names = ', '.join(
        f'{stage.name} ({shape})' for stage, shape in zip(stages, shapes, strict=True)
    )
    left_out = len(stages) - len(shown)
    return Drawn(
        figure,
        f'the {COLUMNS - 1} most varied channels of each of {len(shown)} stages'
        + (f', the first {left_out} left out' if left_out else '')
        + f': {names}',
    )


def _show(panel, values: np.ndarray, channel: int, size, extent) -> None:
    """A channel at the size of the image, without the padding."""
    panel.imshow(
        values,
        cmap='viridis',
        extent=(0, size[1], size[0], 0),
        interpolation='nearest',
    )
    panel.set_xlim(0, extent[1])
    panel.set_ylim(extent[0], 0)
    low, high = float(values.min()), float(values.max())
    panel.set_title(f'{channel}: {low:.2g} to {high:.2g}', fontsize=7)
