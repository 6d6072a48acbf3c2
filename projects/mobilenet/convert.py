"""Other names for the weights of MobileNetV2 and V3: mmdetection's, mmpretrain's
and timm's. Of MobileNetV1 they are timm's.
"""

from collections.abc import Collection, Iterator, Mapping

from torch import Tensor, nn

from projects.core.weights import (
    ConvertedStateDict,
    backbone_of,
    register_converter,
    renamed_weights,
)
from projects.core.weights.convert import flatten_linear
from projects.mobilenet.mobilenet_v2 import MobileNetV2
from projects.mobilenet.mobilenet_v3 import MobileNetV3

# Layers of a block in the order in which they are run; some blocks lack some. The
# last six are those of mmpretrain's MobileNetV2.
MM_BLOCK = (
    *('expand_conv.conv', 'expand_conv.bn'),
    *('depthwise_conv.conv', 'depthwise_conv.bn'),
    *('se.conv1.conv', 'se.conv2.conv'),
    *('linear_conv.conv', 'linear_conv.bn'),
    *(f'conv.{i}.{layer}' for i in range(3) for layer in ('conv', 'bn')),
)
TIMM_SE = ('se.conv_reduce', 'se.conv_expand')
TIMM_BLOCK = ('conv_pw', 'bn1', 'conv_dw', 'bn2', *TIMM_SE, 'conv_pwl', 'bn3')
TIMM_BLOCK_NOT_EXPANDED = ('conv_dw', 'bn1', *TIMM_SE, 'conv_pw', 'bn2')


@register_converter
def convert_mobilenet(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """mmdetection's files, mmpretrain's and timm's, into a classifier, a detector
    or a backbone."""
    backbone, prefix = backbone_of(model, MobileNetV2, MobileNetV3)
    if backbone is None:
        return None
    # timm's has no such prefix, and no weight of a head begins with it
    names = {name.removeprefix('backbone.'): name for name in state_dict}
    of_library = timm_layers if 'conv_stem.weight' in names else mm_layers
    theirs = [x for x in of_library(backbone, names) if f'{x}.weight' in names]
    ours = layers(backbone, prefix)
    if len(theirs) < len(ours):
        return None
    if hasattr(model, 'head'):
        ours += layers(model.head, 'head.')
    # a backbone alone and a detector have nothing for the layers of a classifier
    new_layers = dict(zip(theirs, ours, strict=False))
    renamed = {}
    for name, full_name in names.items():
        layer, _, kind = name.rpartition('.')
        if layer in new_layers:
            renamed[full_name] = f'{new_layers[layer]}.{kind}'
    return flatten_linear(renamed_weights(state_dict, renamed))


def layers(module: nn.Module, prefix: str) -> list[str]:
    """Names of the layers with weights, in the order in which they are run."""
    return [prefix + name for name, m in module.named_modules() if m._parameters]


def mm_layers(
    backbone: MobileNetV2 | MobileNetV3, names: Collection[str]
) -> Iterator[str]:
    """mmdetection's and mmpretrain's names of all layers, in their order."""
    is_v2 = isinstance(backbone, MobileNetV2)
    yield from ('conv1.conv', 'conv1.bn') if is_v2 else ('layer0.conv', 'layer0.bn')
    places = places_of_blocks(backbone)
    for number, (group, index) in enumerate(places, start=1):
        block = f'layer{group + 1}.{index}' if is_v2 else f'layer{number}'
        yield from (f'{block}.{layer}' for layer in MM_BLOCK)
    last = 'conv2' if is_v2 else f'layer{len(places) + 1}'
    yield from (f'{last}.conv', f'{last}.bn')
    yield from ('head.layers.0.fc', 'head.layers.1.fc', 'head.fc')


def timm_layers(
    backbone: MobileNetV2 | MobileNetV3, names: Collection[str]
) -> Iterator[str]:
    """timm's names of all layers, in their order."""
    yield from ('conv_stem', 'bn1')
    places = places_of_blocks(backbone)
    for group, index in places:
        block = f'blocks.{group}.{index}'
        is_expanded = f'{block}.conv_pwl.weight' in names
        for layer in TIMM_BLOCK if is_expanded else TIMM_BLOCK_NOT_EXPANDED:
            yield f'{block}.{layer}'
    if isinstance(backbone, MobileNetV3):
        last = f'blocks.{places[-1][0] + 1}.0'
        yield from (f'{last}.conv', f'{last}.bn1', 'conv_head', 'classifier')
    else:
        yield from ('conv_head', 'bn2', 'classifier')


def places_of_blocks(
    backbone: MobileNetV2 | MobileNetV3,
) -> list[tuple[int, int]]:
    """Of each block its group and its place there, from 0: a row of a paper's
    table is a group, whose first block has no shortcut."""
    places = [(0, 0)]
    for block in backbone.features[2:-1]:
        group, index = places[-1]
        places.append((group, index + 1) if block.has_shortcut else (group + 1, 0))
    return places
