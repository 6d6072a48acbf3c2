"""timm's and mmpretrain's names for the weights of EfficientNet and EfficientNetV2.

Theirs count stages in another way; the order of the blocks is the same.
"""

import re
from collections import defaultdict
from collections.abc import Mapping

from torch import Tensor, nn

from projects.core.layers import MBConvBackbone
from projects.core.weights.convert import RenamingRules, rename, renamed_weights
from projects.core.weights.loading import ConvertedStateDict, register_converter

# layers of a block in their order: torchvision's, which are ours, timm's, mmpretrain's
BLOCKS = (
    (
        '0.0 0.1 1.0 1.1 2.fc1 2.fc2 3.0 3.1',
        'conv_pw bn1 conv_dw bn2 se.conv_reduce se.conv_expand conv_pwl bn3',
        'expand_conv.conv expand_conv.bn depthwise_conv.conv depthwise_conv.bn '
        'se.conv1.conv se.conv2.conv linear_conv.conv linear_conv.bn',
    ),
    (  # MBConv without an expansion
        '0.0 0.1 1.fc1 1.fc2 2.0 2.1',
        'conv_dw bn1 se.conv_reduce se.conv_expand conv_pw bn2',
        'depthwise_conv.conv depthwise_conv.bn se.conv1.conv se.conv2.conv '
        'linear_conv.conv linear_conv.bn',
    ),
    (  # Fused-MBConv
        '0.0 0.1 1.0 1.1',
        'conv_exp bn1 conv_pwl bn2',
        'conv1.conv conv1.bn conv2.conv conv2.bn',
    ),
    ('0.0 0.1', 'conv bn1', 'conv bn'),  # the same without an expansion
)
OURS = {
    frozenset(theirs.split()): dict(zip(theirs.split(), ours.split(), strict=True))
    for ours, *others in BLOCKS
    for theirs in others
}
IN_BLOCK = re.compile(r'(?:blocks|layers)\.(\d+)\.(\d+)\.(.+)\.(\w+)')


@register_converter
def convert_mbconv(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """timm's files and mmpretrain's, into a classifier or a backbone."""
    backbone = getattr(model, 'backbone', model)
    if not isinstance(backbone, MBConvBackbone):
        return None
    names = {name.removeprefix('backbone.'): name for name in state_dict}
    if names.keys().isdisjoint(('conv_stem.weight', 'layers.0.conv.weight')):
        return None
    last = f'features.{len(backbone.features) - 1}'
    rules: RenamingRules = (
        (r'(?:conv_stem|layers\.0\.conv)\.', 'features.0.0.'),
        (r'(?:bn1|layers\.0\.bn)\.', 'features.0.1.'),
        (r'(?:conv_head|layers\.\d+\.conv)\.', f'{last}.0.'),
        (r'(?:bn2|layers\.\d+\.bn)\.', f'{last}.1.'),
        (r'(?:classifier|head\.fc)\.', f'{_final_layer(model)}.'),
    )
    new_names = {**rename(names, rules), **_of_blocks(names, backbone)}
    prefix = '' if backbone is model else 'backbone.'
    return renamed_weights(
        state_dict,
        {
            names[old]: prefix + new if new.startswith('features.') else new
            for old, new in new_names.items()
        },
    )


def _final_layer(model: nn.Module) -> str:
    layers = {name.rpartition('.')[0] for name in model.state_dict() if 'head.' in name}
    return layers.pop() if len(layers) == 1 else 'head.fc'


def _of_blocks(names: Mapping[str, str], backbone: MBConvBackbone) -> dict[str, str]:
    """New names by theirs, of the weights in blocks of a known kind."""
    blocks = defaultdict(list)
    for name in names:
        if match := IN_BLOCK.fullmatch(name):
            blocks[int(match[1]), int(match[2])].append((name, match[3], match[4]))
    own = [
        f'features.{i}.{j}.block'
        for i, stage in enumerate(backbone.features[1:-1], start=1)
        for j in range(len(stage))
    ]
    renamed = {}
    for (_, weights), block in zip(sorted(blocks.items()), own, strict=False):
        layers = OURS.get(frozenset(layer for _, layer, _ in weights), {})
        for name, layer, kind in weights:
            if layer in layers:
                renamed[name] = f'{block}.{layers[layer]}.{kind}'
    return renamed
