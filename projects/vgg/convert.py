"""mmpretrain's and timm's names for the weights of VGG."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from projects.core.weights import (
    ConvertedStateDict,
    flatten_linear,
    register_converter,
    renamed_weights,
)
from projects.vgg.vgg import VGG

# timm's two hidden layers are convolutions, of 7 x 7 and 1 x 1 pixels
TIMM_LAYERS = {
    'pre_logits.fc1': 'head.classifier.0',
    'pre_logits.fc2': 'head.classifier.3',
    'head.fc': 'head.classifier.6',
}


@register_converter
def convert_timm_vgg(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """timm's: the linear layers in parts of other names and shapes."""
    if not isinstance(getattr(model, 'backbone', None), VGG) or (
        'pre_logits.fc1.weight' not in state_dict
    ):
        return None
    renamed = {
        name: f'backbone.{name}' for name in state_dict if name.startswith('features.')
    }
    renamed |= {
        f'{old}.{kind}': f'{new}.{kind}'
        for old, new in TIMM_LAYERS.items()
        for kind in ('weight', 'bias')
        if f'{old}.{kind}' in state_dict
    }
    return flatten_linear(renamed_weights(state_dict, renamed))


@register_converter
def convert_mmpretrain_vgg(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """mmpretrain's: convolution and norm are one layer of the backbone, the
    linear layers belong to it."""
    backbone = getattr(model, 'backbone', None)
    pattern = re.compile(r'backbone\.features\.(\d+)\.(conv|bn)\.(.+)')
    matches = [m for m in map(pattern.fullmatch, state_dict) if m]
    if not isinstance(backbone, VGG) or not matches:
        return None
    # the first of theirs is the first of ours, and so on
    own = [
        i
        for i, layer in enumerate(backbone.features)
        if getattr(layer, 'weight', None) is not None and layer.weight.ndim == 4
    ]
    theirs = sorted({int(m[1]) for m in matches})
    place = dict(zip(theirs, own, strict=False))
    renamed = {
        m[0]: f'backbone.features.{place[int(m[1])] + (m[2] == "bn")}.{m[3]}'
        for m in matches
        if int(m[1]) in place
    }
    renamed |= {
        name: name.replace('backbone.', 'head.', 1)
        for name in state_dict
        if name.startswith('backbone.classifier.')
    }
    return renamed_weights(state_dict, renamed)
