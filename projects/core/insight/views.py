"""The views of a model: their names, and who draws them."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from projects.core.tasks.subject import Drawn, Subject

HERE = 'projects.core.insight'
#: of any model that takes images
GENERAL = {
    'heat-map': f'{HERE}.heat_maps:draw_heat_maps',
    'attention': f'{HERE}.attention:draw_attention_of',
    'features': f'{HERE}.feature_maps:draw_features',
    'filters': f'{HERE}.filters:draw_filters',
    'receptive-field': f'{HERE}.receptive_field:draw_receptive_fields',
}


@dataclass
class ViewOptions:
    """What the views are asked for.

    Args:
        method: Of a heat map, a key of
            :data:`projects.core.insight.heat_maps.METHODS`; None for Grad-CAM, of
            a detection HiResCAM.
        layer: Dotted name of the module whose map it explains; None to choose one.
        block: Whose attention is drawn; -1 is the last.
    """

    method: str | None = None
    layer: str | None = None
    block: int = -1


def views_of(model: nn.Module) -> dict[str, Callable[[Subject, ViewOptions], Drawn]]:
    """The views of a model by name: the general ones, and those of its parts.

    A part of a model, such as a head, has views of its own by an attribute ``views``,
    which says by name who draws them, as 'module:function'. That function takes
    the part and the :class:`projects.core.tasks.subject.Subject`.
    """
    views = {name: _later(path) for name, path in GENERAL.items()}
    for module in model.modules():
        own = getattr(module, 'views', None)
        if isinstance(own, dict):
            views |= {name: _later(path, module) for name, path in own.items()}
    return views


def _later(path: str, part: nn.Module | None = None) -> Callable:
    """The function of a path, imported when it is called."""

    def draw(subject: Subject, options: ViewOptions) -> Drawn:
        module, _, name = path.partition(':')
        function = getattr(importlib.import_module(module), name)
        return function(subject, options) if part is None else function(part, subject)

    return draw
