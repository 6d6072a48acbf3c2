"""The maps that a backbone makes of an image, stage by stage.

Legend: C channels, H and W of the input, h and w of a map, T tokens.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from projects.core.errors import UserError, did_you_mean
from projects.core.tasks.subject import hooked

GROWTH = 256  # pixels; a multiple of the usual strides


@dataclass
class StageMap:
    """A map, and the module that it comes out of.

    Args:
        name: Dotted name of the module, in the model.
        output: What the module gave.
        values: (B, C, h, w), the same as a map.
    """

    name: str
    output: Tensor
    values: Tensor

    @property
    def shape(self) -> str:
        """'64 x 28 x 28'."""
        return ' x '.join(map(str, self.values.shape[1:]))


def as_map(output, backbone: nn.Module, size: Sequence[int]) -> Tensor | None:
    """What a module returns as a map (B, C, h, w); None where it is none.

    Maps may have their channels last. Of tokens (B, T, C) the last are the patches
    of an image, row by row, where the backbone has ``token_grid``; see
    :mod:`projects.core.tasks.attention_maps`.

    Args:
        output: Of the module.
        backbone: Which the module is in.
        size: Height and width of the input.
    """
    if not isinstance(output, Tensor):
        return None
    if output.dim() == 4:
        _, a, b, c = output.shape
        # that reading whose sides are as those of the image
        first = abs(math.log(b * size[1] / (c * size[0])))
        last = abs(math.log(a * size[1] / (b * size[0])))
        return output if first <= last else output.permute(0, 3, 1, 2)
    if output.dim() == 3 and hasattr(backbone, 'token_grid'):
        grid = backbone.token_grid(*size)
        num_patches = grid[0] * grid[1]
        if output.shape[1] >= num_patches:
            return output[:, -num_patches:].mT.unflatten(2, grid)
    return None


def stage_maps(model: nn.Module, inputs: Tensor) -> list[StageMap]:
    """The map after each stage of a model's backbone; see :func:`watched_maps`.

    Args:
        model: With ``backbone``, or itself one.
        inputs: (B, C, H, W) images.
    """
    found: list[StageMap] = []
    with watched_maps(model, found.extend):
        getattr(model, 'backbone', model)(inputs)
    return found


@torch.no_grad()
def map_strides(model: nn.Module, inputs: Tensor, axis: int = 1) -> list[int]:
    """Pixels from a unit of each stage's map to the next.

    By how much a map grows with the image: convolutions without padding make it
    smaller than its stride says. Where the layers take images of one size only it is
    the ratio of the sides.

    Args:
        model: With ``backbone``, or itself one.
        inputs: (1, C, H, W).
        axis: 0 along rows, 1 along columns.
    """
    sides = [stage.values.shape[2 + axis] for stage in stage_maps(model, inputs)]
    wider = list(inputs.shape)
    wider[2 + axis] += GROWTH
    try:
        grown = stage_maps(model, inputs.new_zeros(wider))
    except (RuntimeError, ValueError):
        return [round(inputs.shape[2 + axis] / side) for side in sides]
    return [
        round(GROWTH / max(1, stage.values.shape[2 + axis] - side))
        for stage, side in zip(grown, sides, strict=True)
    ]


@contextmanager
def watched_maps(
    model: nn.Module, see: Callable[[list[StageMap]], object]
) -> Iterator[None]:
    """Show the map after each stage that is computed, whenever the backbone is run.

    The stages are those of :class:`projects.core.layers.Backbone`. Of another
    backbone it is the last map of each size among its direct parts.

    Args:
        model: With ``backbone``, or itself one.
        see: Is called with the maps of a run.
    """
    backbone = getattr(model, 'backbone', model)
    names = {module: name for name, module in model.named_modules()}
    is_staged = hasattr(backbone, 'stage_modules')
    if is_staged:
        stages = backbone.stage_modules()[: backbone.out_indices[-1] + 1]
        watched = [list(stage)[-1] for stage in stages]
    else:
        watched = _parts(backbone)
    size: list[int] = []
    seen: list[StageMap] = []

    def begin(_, args) -> None:
        size[:] = args[0].shape[-2:]
        seen.clear()

    def see_part(output, module: nn.Module) -> None:
        values = as_map(output, backbone, size)
        if values is not None:
            # what comes next may work in place
            seen.append(StageMap(names[module], output, values.clone()))

    def end(_) -> None:
        by_size = {found.values.shape[-2:]: found for found in seen}
        see(list(seen if is_staged else by_size.values()))

    hooks = {module: partial(see_part, module=module) for module in watched}
    before = backbone.register_forward_pre_hook(begin)
    try:
        with hooked({**hooks, backbone: end}):
            yield
    finally:
        before.remove()


def _parts(module: nn.Module) -> list[nn.Module]:
    """Direct parts of a backbone, those of its only part where there is but one."""
    parts = list(module.children())
    while len(parts) == 1:
        parts = list(parts[0].children())
    return parts


def layer_of(model: nn.Module, name: str) -> nn.Module:
    """The module of a dotted name.

    Raises:
        UserError: If there is none.
    """
    modules = dict(model.named_modules())
    modules.pop('')
    if name not in modules:
        parts = ', '.join(part for part, _ in model.named_children())
        raise UserError(
            f'--layer {name}: the model has no module of this name'
            + (did_you_mean(name, modules) or f'; its parts are {parts}')
        )
    return modules[name]
