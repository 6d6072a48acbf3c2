"""The weights of the first convolution, which see the pixels themselves.

Legend: O filters, C channels of the image, h and w of a kernel.
"""

import math

import numpy as np
from torch import nn

from projects.core.insight.panels import colour_bar, panels
from projects.core.insight.views import ViewOptions
from projects.core.tasks.subject import Drawn, NotServed, Subject

MAX_FILTERS = 96


def _is_convolution(module: nn.Module) -> bool:
    """By its weights: it may be written out by hand."""
    weight = getattr(module, 'weight', None)
    return isinstance(weight, nn.Parameter) and weight.dim() == 4


def draw_filters(subject: Subject, options: ViewOptions) -> Drawn:
    """Each filter of the first convolution: in colour where the image is, else grey.

    Raises:
        NotServed: If there is no convolution.
    """
    found = next(
        (
            (name, module)
            for name, module in subject.model.named_modules()
            if _is_convolution(module)
        ),
        None,
    )
    if found is None:
        raise NotServed(f'a {type(subject.backbone).__name__} has no convolution')
    name, conv = found
    weights = conv.weight.detach().float().cpu().numpy()  # (O, C, h, w)
    num, channels, *kernel = weights.shape
    most = float(np.abs(weights).max())
    shown = weights[:MAX_FILTERS]
    in_colour = channels == 3
    scale = (
        f'0 is grey, -{most:.2g} is black and {most:.2g} the full colour'
        if in_colour
        else f'from -{most:.2g}, black, by 0, grey, to {most:.2g}, white'
    )
    if not in_colour and channels > 1:
        scale += f'; the mean over {channels} channels'
    of_all = f'{len(shown)} of {num}' if len(shown) < num else num
    caption = (
        f'{name}: {of_all} filters of {channels} x {kernel[0]} x {kernel[1]},\n{scale}'
    )
    columns = max(4, math.ceil(math.sqrt(1.6 * len(shown))))
    figure, axes = panels(
        len(shown), caption, columns, title_lines=0, side=max(0.45, 5 / columns)
    )
    for panel, weight in zip(axes, shown, strict=True):
        if in_colour:
            rgb = weight if subject.is_rgb else weight[::-1]
            panel.imshow(rgb.transpose(1, 2, 0) / (2 * max(most, 1e-12)) + 0.5)
        else:
            panel.imshow(weight.mean(0), cmap='gray', vmin=-most, vmax=most)
    if not in_colour:
        colour_bar(figure, axes, 'gray', f'-{most:.2g}', f'{most:.2g}', 'weight')
    return Drawn(
        figure,
        f'{of_all} filters of {name}, {channels} x {kernel[0]} x {kernel[1]}, weights '
        f'up to {most:.2g}',
    )
