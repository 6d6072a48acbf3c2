"""What a unit of a map sees of the image.

Its receptive field holds the pixels that can change it at all; how much each of them
does falls off from the middle: Luo et al., "Understanding the Effective Receptive Field
in Deep Convolutional Neural Networks", NIPS 2016, https://arxiv.org/abs/1701.04128.

Legend: C channels, H and W of an input, h and w of a map, S stages, in pixels.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from projects.core.insight.panels import (
    colour_bar,
    ending,
    panels,
    show_box,
    show_heat,
    show_image,
)
from projects.core.insight.stages import map_strides, stage_maps
from projects.core.insight.views import ViewOptions
from projects.core.tasks.subject import Drawn, NotServed, Subject

#: share of the gradient that the effective field holds
SHARE = 0.95
NUM_NOISY = 4  # copies of the image whose gradients are averaged
NOISE = 0.25  # deviations of the image
LENGTHS = (256, 512, 1024)  # pixels, of the strips that fields are measured on
ACROSS = (32, 64, 128)  # their other side: the first that the layers can do with
MAX_BATCH = 14  # from 16 on some kernels mix what lies beside each other


@dataclass
class Span:
    """What a unit of a map can depend on along an axis.

    Args:
        size: Pixels; None for more than can be measured, in general all of any image.
        stride: Pixels from a unit to the next.
        offset: First pixel of the first unit's, which may be outside of the image.
    """

    size: int | None
    stride: int
    offset: int

    def around(self, unit: int) -> tuple[int, int]:
        """First pixel, and the one after the last, of a unit of a number."""
        first = self.offset + unit * self.stride
        return first, first + (self.size or 0)


@torch.no_grad()
def spans(model: nn.Module, inputs: Tensor, axis: int = 1) -> list[Span]:
    """What a unit of each stage can depend on, exactly.

    A pixel that is no number makes all units no numbers that depend on it, through
    whatever layer, with whatever weights. So the borders are found by halving, on a
    strip that is long enough.

    Args:
        model: In eval mode, on the CPU.
        inputs: (1, C, H, W); only the shape counts.
        axis: 0 for rows, 1 for columns.
    """
    shape = list(inputs.shape[-2:])
    lengths: Sequence[int] = LENGTHS
    for across in (*ACROSS, shape[1 - axis]):
        strip = [across, across]
        strip[axis] = LENGTHS[0]
        try:
            stage_maps(model, inputs.new_zeros(1, inputs.shape[1], *strip))
            break
        except (RuntimeError, ValueError):  # too small for the layers
            continue
    else:
        across, lengths = shape[1 - axis], (shape[axis],)
    strides = map_strides(model, inputs, axis)
    found: list[Span] = []
    for length in lengths:
        new = _spans_on(model, inputs.shape[1], across, length, axis, strides)
        found = [
            old if old.size is not None else span
            for old, span in zip(found or new, new, strict=True)
        ]
        if all(span.size is not None for span in found):
            break
    return found


def _spans_on(
    model: nn.Module,
    channels: int,
    across: int,
    length: int,
    axis: int,
    strides: list[int],
) -> list[Span]:
    """:func:`spans`, measured on a strip of so many pixels."""

    def spoilt(ranges: list[tuple[int, int, int]]) -> list[bool]:
        """Of (stage, first, end): whether its middle unit sees these pixels."""
        sees = []
        for start in range(0, len(ranges), MAX_BATCH):
            part = ranges[start : start + MAX_BATCH]
            strips = torch.zeros(len(part), channels, length, across)
            for strip, (_, first, end) in zip(strips, part, strict=True):
                strip[:, first:end] = torch.nan
            maps = stage_maps(model, strips if axis == 0 else strips.mT)
            for i, (stage, _, _) in enumerate(part):
                values = maps[stage].values[i]
                values = values if axis == 0 else values.mT
                sees.append(bool(values[:, values.shape[1] // 2].isnan().any()))
        return sees

    plain = torch.zeros(1, channels, length, across)
    maps = stage_maps(model, plain if axis == 0 else plain.mT)
    sides = [stage.values.shape[2 + axis] for stage in maps]
    stages = range(len(maps))
    at_border = spoilt(
        [(i, *ends) for i in stages for ends in ((0, 1), (length - 1, length))]
    )
    measurable = [i for i in stages if not any(at_border[2 * i : 2 * i + 2])]
    # pixels before ``first`` are not seen, those up to ``last`` are; and from the end
    unseen = dict.fromkeys([(i, end) for i in measurable for end in (0, 1)], 0)
    seen = dict.fromkeys(unseen, length)
    while any(seen[key] - unseen[key] > 1 for key in unseen):
        middles = {key: (seen[key] + unseen[key]) // 2 for key in unseen}
        ranges = [
            (i, length - middle, length) if end else (i, 0, middle)
            for (i, end), middle in middles.items()
        ]
        for key, sees in zip(middles, spoilt(ranges), strict=True):
            (seen if sees else unseen)[key] = middles[key]
    result = []
    for i in stages:
        size, first = None, 0
        if i in measurable:
            first, end = unseen[i, 0], length - unseen[i, 1]
            size = end - first
        result.append(Span(size, strides[i], first - sides[i] // 2 * strides[i]))
    return result


def gradients(model: nn.Module, inputs: Tensor) -> list[np.ndarray]:
    """How much each pixel changes the unit in the middle of each stage's map.

    The size of the gradient of the sum of its channels, summed over those of the image
    and averaged over copies of it with some noise: a single one may be cut off by
    activations that are 0.

    Args:
        model: In eval mode.
        inputs: (1, C, H, W).

    Returns:
        Of each stage (H, W), of maximum 1, or 0 everywhere.
    """
    rng = torch.Generator().manual_seed(0)
    totals: list[Tensor] = []
    for _ in range(NUM_NOISY):
        noise = torch.randn(inputs.shape, generator=rng).to(inputs)
        noisy = (inputs + NOISE * inputs.std() * noise).requires_grad_()
        with torch.enable_grad():
            maps = stage_maps(model, noisy)
            units = [
                m.values[0, :, m.values.shape[2] // 2, m.values.shape[3] // 2].sum()
                for m in maps
            ]
            found = [
                torch.autograd.grad(unit, noisy, retain_graph=True)[0][0].abs().sum(0)
                for unit in units
            ]
        before = totals or [0.0] * len(found)
        totals = [a + b for a, b in zip(before, found, strict=True)]
    return [(t / t.max().clamp(min=1e-30)).cpu().numpy() for t in totals]


def effective(gradient: np.ndarray) -> tuple[float, float, int]:
    """Row and column of the middle of a gradient, and the side of the square around it
    that holds :data:`SHARE` of it, in pixels; 0 where there is none."""
    total = gradient.sum()
    height, width = gradient.shape
    if not total:
        return height / 2, width / 2, 0
    rows, columns = np.indices(gradient.shape) + 0.5
    row = float((gradient * rows).sum() / total)
    column = float((gradient * columns).sum() / total)
    distances = np.maximum(abs(rows - row), abs(columns - column)).flatten()
    order = distances.argsort()
    held = gradient.flatten()[order].cumsum() / total
    last = min(int(np.searchsorted(held, SHARE)), len(order) - 1)
    return row, column, round(2 * distances[order[last]] + 1)


def draw_receptive_fields(subject: Subject, options: ViewOptions) -> Drawn:
    """Of each stage what the unit in the middle of its map sees of the image.

    Raises:
        NotServed: If the backbone makes no maps.
    """
    stages = stage_maps(subject.model, subject.inputs)
    if not stages:
        raise NotServed(
            f'a {type(subject.backbone).__name__} makes no maps of an image'
        )
    # kernels of a GPU may leave traces beside the field
    model = subject.model
    if subject.inputs.device.type != 'cpu':
        model = deepcopy(model).cpu()
    rows, columns = (spans(model, subject.inputs.cpu(), axis) for axis in (0, 1))
    caption = (
        'what the unit in the middle of each map depends on: dashed, the pixels that '
        'can change it;\nbright, those that do, by the root of the gradient; the '
        f'thin square holds {SHARE:.0%} of the gradient'
    )
    height, width = subject.extent
    figure, axes = panels(
        len(stages), caption, title_lines=3, aspect=width / height, least_columns=3
    )
    lines = []
    heats = gradients(subject.model, subject.inputs)
    for panel, stage, gradient, down, across in zip(
        axes, stages, heats, rows, columns, strict=True
    ):
        show_image(panel, subject.picture, dimmed=True)
        # or little but the peak would be seen
        show_heat(panel, gradient**0.5, gradient.shape)
        panel.set_xlim(0, width)
        panel.set_ylim(height, 0)
        channels, *sides = stage.values.shape[1:]
        row, column, side = effective(gradient)
        square = (column - side / 2, row - side / 2, column + side / 2, row + side / 2)
        show_box(panel, square, width=1)
        size = 'the whole image'
        if down.size and across.size:
            top, bottom = down.around(sides[0] // 2)
            left, right = across.around(sides[1] // 2)
            show_box(panel, (left, top, right, bottom), 'white', '--')
            size = f'{down.size} x {across.size} px'
        panel.set_title(
            f'{ending(stage.name)}\n{channels} x {sides[0]} x {sides[1]}, '
            f'stride {across.stride}\n{size}, {SHARE:.0%} in {side} px',
            fontsize=8,
            loc='left',
        )
        lines.append(f'{stage.name} {size}, {SHARE:.0%} of the gradient in {side} px')
    colour_bar(figure, axes, 'inferno', '0', 'max', 'gradient')
    return Drawn(figure, 'what the middle unit sees: ' + '; '.join(lines))
