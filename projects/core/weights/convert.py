"""Other libraries' names for the weights of a classifier or a backbone.

Inside a backbone ours are torchvision's, which has no part of that name.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor, nn

from projects.core.weights.loading import ConvertedStateDict, register_converter

# (beginning of a name as a pattern, what stands in its place)
RenamingRules = tuple[tuple[str, str | Callable[[re.Match], str]], ...]
# what torchvision, timm and others call the final layer
FINAL_LAYERS = ('classifier', 'fc', 'head', 'head.fc', 'last_linear')


@register_converter
def convert_bare_classifier(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """torchvision's and timm's: without the parts 'backbone' and 'head'."""
    if not hasattr(model, 'backbone') or any(
        name.startswith('backbone.') for name in state_dict
    ):
        return None
    wanted = model.state_dict()
    stems = {name for name, _ in model.backbone.named_children()}
    layers = {name.rpartition('.')[0] for name in wanted if name.startswith('head.')}
    renamed = {}  # old: new
    for name in state_dict:
        layer, _, kind = name.rpartition('.')
        if f'head.{name}' in wanted:
            renamed[name] = f'head.{name}'
        elif layer in FINAL_LAYERS and len(layers) == 1:
            renamed[name] = f'{next(iter(layers))}.{kind}'
        elif name.partition('.')[0] in stems:  # also what is too many there
            renamed[name] = f'backbone.{name}'
    if not any(new.startswith('backbone.') for new in renamed.values()):
        return None
    return renamed_weights(state_dict, renamed)


@register_converter
def convert_classifier_in_backbone(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """mmpretrain's AlexNet: the linear layers belong to the backbone."""
    renamed = {
        name: name.replace('backbone.', 'head.', 1)
        for name in state_dict
        if name.startswith('backbone.classifier.')
    }
    if not renamed or set(renamed.values()).isdisjoint(model.state_dict()):
        return None
    return renamed_weights(state_dict, renamed)


@register_converter
def convert_backbone(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """The backbone out of a whole model's file, where it is loaded alone."""
    if hasattr(model, 'backbone'):
        return None
    renamed = {
        name: name.removeprefix('backbone.')
        for name in state_dict
        if name.startswith('backbone.')
    }
    return renamed_weights(state_dict, renamed) if renamed else None


def backbone_of(
    model: nn.Module, *kinds: type[nn.Module]
) -> tuple[nn.Module | None, str]:
    """The backbone of one of some classes, and what the names of its weights begin
    with: nothing where it is the model itself. None of another model."""
    if isinstance(model, kinds):
        return model, ''
    backbone = getattr(model, 'backbone', None)
    return (backbone if isinstance(backbone, kinds) else None), 'backbone.'


def renamed_weights(
    state_dict: Mapping[str, Tensor], renamed: Mapping[str, str]
) -> ConvertedStateDict:
    """A conversion that only renames; ``renamed`` is new by old."""
    return ConvertedStateDict(
        {renamed.get(name, name): w for name, w in state_dict.items()},
        {new: old for old, new in renamed.items() if new != old},
    )


def flatten_linear(converted: ConvertedStateDict) -> ConvertedStateDict:
    """Linear layers of a head that a file holds as convolutions: their
    weights become rows."""
    for name, weight in converted.state_dict.items():
        if name.startswith('head.classifier.') and weight.ndim == 4:
            converted.reshaped[name] = f'{tuple(weight.shape)} to rows'
            converted.state_dict[name] = weight.flatten(1)
    return converted


def rename(
    names: Iterable[str], rules: RenamingRules, prefix: str = 'backbone.'
) -> dict[str, str]:
    """New name of each, by the first rule that fits its beginning.

    Args:
        names: The file's.
        rules: See ``RenamingRules``.
        prefix: What stands in the place of 'backbone.' in the new names, see
            :func:`backbone_of`.
    """
    renamed = {}
    for name in names:
        renamed[name] = name
        for pattern, replacement in rules:
            new, fits = re.subn(f'^{pattern}', replacement, name)
            if fits:
                renamed[name] = new
                break
    return {old: re.sub(r'^backbone\.', prefix, new) for old, new in renamed.items()}
