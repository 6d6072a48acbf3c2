"""Which places of an image raise a score of the model: the Grad-CAM family.

The maps are those of the library grad-cam, https://github.com/jacobgil/pytorch-grad-cam;
Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017, https://arxiv.org/abs/1610.02391.

Legend: C channels, H and W of the input, h and w of a map.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytorch_grad_cam as library
import torch
from torch import Tensor, nn

from projects.core.errors import UserError, did_you_mean, listed
from projects.core.insight.panels import (
    colour_bar,
    ending,
    panels,
    show_box,
    show_heat,
    show_image,
)
from projects.core.insight.stages import StageMap, as_map, layer_of, watched_maps
from projects.core.insight.views import ViewOptions
from projects.core.tasks.subject import Drawn, NotServed, Subject, Target, hooked


class EigenCAM(library.EigenCAM):
    """The library's, with the sign that the map has itself: that of a principal
    component is arbitrary, so that the brightest places might be the darkest."""

    def get_cam_image(self, inputs, layer, targets, activations, *args, **kwargs):
        image = super().get_cam_image(
            inputs, layer, targets, activations, *args, **kwargs
        )
        strength = np.abs(activations).sum(1)
        strength -= strength.mean((1, 2), keepdims=True)
        return image * (-1 if (image * strength).sum() < 0 else 1)


#: by the name that a user gives; those that run the model many times are left out
METHODS = {
    'gradcam': ('Grad-CAM', library.GradCAM),
    'gradcam++': ('Grad-CAM++', library.GradCAMPlusPlus),
    'xgradcam': ('XGrad-CAM', library.XGradCAM),
    'layercam': ('LayerCAM', library.LayerCAM),
    'hirescam': ('HiResCAM', library.HiResCAM),
    'eigencam': ('Eigen-CAM', EigenCAM),
}
#: do not ask which score is explained
WITHOUT_TARGET = ('eigencam',)


@dataclass
class Layer:
    """Where a heat map is taken.

    Args:
        name: Dotted name of the module that the map comes out of.
        module: What grad-cam looks at.
        shape: (C, h, w) of the map.
        context: In which the module is run.
        transform: From what the module gives to (B, C, h, w); None where it is that.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    context: Callable[[], AbstractContextManager] = nullcontext
    transform: Callable[[Tensor], Tensor] | None = None


class _Scores(nn.Module):
    """A model as grad-cam knows one: from inputs to scores."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.model = subject.model  # whose parameters tell the device
        self.scores = subject.scores

    def forward(self, inputs: Tensor) -> Tensor:
        return self.scores(inputs)


def default_method(target: Target) -> str:
    """Grad-CAM; of a box one that weighs each place by its own gradient: a channel's
    mean gradient, as Grad-CAM takes it, is that of all objects of the class."""
    return 'gradcam' if target.box is None else 'hirescam'


def check_method(method: str | None) -> None:
    """Refuse a method that there is not; None is the default.

    Raises:
        UserError: With those that there are.
    """
    if method is not None and method not in METHODS:
        raise UserError(
            f'--method {method}: there are {listed(METHODS, len(METHODS))}'
            + did_you_mean(method, METHODS)
        )


def choose_layer(subject: Subject, target: Target, name: str | None = None) -> Layer:
    """The layer of a name; else the last map of the backbone of more than one place
    that the score depends on: that of a detection may come from an earlier one.

    A backbone can say itself which module it is, as ``heat_map_layer``: that of tokens
    whose last ones do not reach the score.

    Raises:
        UserError: If there is no such layer.
        NotServed: If the backbone makes no map that the score depends on.
    """
    module = getattr(subject.backbone, 'heat_map_layer', None)
    if name is not None:
        module = layer_of(subject.model, name)
    if module is not None:
        name = name or next(n for n, m in subject.model.named_modules() if m is module)
        return _named_layer(subject, target, name, module)

    maps: list[StageMap] = []
    with watched_maps(subject.model, maps.extend):
        shares = _shares(subject, target, lambda: [stage.output for stage in maps])
    chosen = [
        i
        for i, share in enumerate(shares)
        if share > 0 and maps[i].values[0, 0].numel() > 1
    ]
    if not chosen:
        raise NotServed(
            f'{target.title} depends on no map of the backbone that has '
            'more than one place'
        )
    index = chosen[-1]
    tap = nn.Identity()  # a module of our own: that of a stage may run more than once
    return Layer(
        maps[index].name,
        tap,
        tuple(maps[index].values.shape[1:]),
        partial(watched_maps, subject.model, lambda maps: tap(maps[index].output)),
        _transform(subject),
    )


def _named_layer(
    subject: Subject, target: Target, name: str, module: nn.Module
) -> Layer:
    """A module of the model, see :func:`choose_layer`."""
    size = subject.inputs.shape[-2:]
    outputs: list[Tensor] = []
    with hooked({module: outputs.append}):
        shares = _shares(subject, target, lambda: outputs[:1])
    if not outputs:
        raise UserError(f'--layer {name} takes no part in a prediction')
    out = as_map(outputs[0], subject.backbone, size)
    if out is None:
        shape = tuple(getattr(outputs[0], 'shape', ()))
        raise UserError(
            f'--layer {name} gives no map of the image, but '
            + (f'numbers of shape {shape}' if shape else type(outputs[0]).__name__)
        )
    if not shares[0]:
        raise UserError(
            f'--layer {name}: {target.title} does not depend on what it gives'
        )
    return Layer(
        name,
        module,
        tuple(out.shape[1:]),
        transform=_transform(subject),
    )


def _transform(subject: Subject) -> Callable[[Tensor], Tensor]:
    """From what a module gives to a map, as grad-cam asks for it."""
    size = subject.inputs.shape[-2:]
    # what comes next may work in place
    return lambda out: as_map(out, subject.backbone, size).clone()


def _shares(
    subject: Subject, target: Target, outputs_of: Callable[[], list]
) -> list[float]:
    """How much the target's score depends on each of some outputs of the model:
    the sum of |gradient x output|, 0 where the score does not reach it.

    Args:
        subject: Model and image.
        target: The score.
        outputs_of: What they are, after the model was run.

    Raises:
        NotServed: If the score has no gradient.
    """
    with torch.enable_grad():
        scores = subject.scores(subject.inputs.detach().requires_grad_())
        score = scores[0, target.index]
        try:
            if score.requires_grad:
                return [_share(score, out) for out in outputs_of()]
        except NotImplementedError:  # of soft NMS
            pass
    raise NotServed(
        f'the score of {target.title} has no gradient; what comes after the network, '
        'such as soft NMS, cuts it off'
    )


def _share(score: Tensor, out) -> float:
    """See :func:`_shares`; 0 for what is no tensor, too."""
    if not isinstance(out, Tensor) or not out.requires_grad:
        return 0.0
    (gradient,) = torch.autograd.grad(score, out, allow_unused=True, retain_graph=True)
    return 0.0 if gradient is None else float((gradient * out.detach()).abs().sum())


def heat_map(
    subject: Subject, target: Target, layer: Layer, method: str = 'gradcam'
) -> np.ndarray:
    """The heat of each pixel, (H, W) from 0 to 1, as grad-cam gives it.

    Args:
        subject: Model and image.
        target: The score that is explained.
        layer: Where.
        method: A key of :data:`METHODS`.
    """
    inputs = subject.inputs.detach().clone().requires_grad_()
    _, cls = METHODS[method]
    with (
        torch.enable_grad(),
        layer.context(),
        cls(_Scores(subject), [layer.module], layer.transform) as cam,
    ):
        heat = cam(inputs, [lambda scores: scores[target.index]])[0]
    subject.model.zero_grad()
    return heat


def draw_heat_maps(subject: Subject, options: ViewOptions) -> Drawn:
    """The image, and for each target its heat map over the image.

    Raises:
        UserError: If there is no such layer.
        NotServed: If there is nothing to explain.
    """
    if not subject.targets:
        raise NotServed('nothing is found in the image whose score could be explained')
    targets = subject.targets
    method = options.method or default_method(targets[0])
    if method in WITHOUT_TARGET:
        targets = targets[:1]
    name, _ = METHODS[method]
    caption = f'{name}, enlarged; each panel from 0 to its own maximum'
    figure, axes = panels(1 + len(targets), caption, title_lines=3)
    show_image(axes[0], subject.picture)
    axes[0].set_title('image\n\n', fontsize=8)
    layers: dict[str, None] = {}
    for panel, target in zip(axes[1:], targets, strict=True):
        layer = choose_layer(subject, target, options.layer)
        layers[layer.name] = None
        heat = heat_map(subject, target, layer, method)
        show_image(panel, subject.picture, dimmed=True)
        show_heat(panel, heat, heat.shape)
        height, width = subject.extent
        panel.set_xlim(0, width)  # without the padding
        panel.set_ylim(height, 0)
        title = name if method in WITHOUT_TARGET else target.title
        shape = ' x '.join(map(str, layer.shape))
        panel.set_title(f'{title}\n{ending(layer.name)}\n{shape}', fontsize=8)
        if target.box is not None and method not in WITHOUT_TARGET:
            show_box(panel, target.box)
    colour_bar(figure, axes, 'inferno', '0', 'max', 'raises the score')
    what = (
        'bright is what the maps have most in common'
        if method in WITHOUT_TARGET
        else 'bright is what raises ' + ' / '.join(t.title for t in targets)
    )
    return Drawn(figure, f'{name} at {", ".join(layers)}: {what}')
