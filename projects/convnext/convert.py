"""Other names for the weights of ConvNeXt: the authors', timm's and mmpretrain's.

Ours are torchvision's. Where theirs has (C,) factors of layer scale ours has
(C, 1, 1); pointwise layers that a file holds as 1x1 convolutions become rows.
"""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from projects.convnext.convnext import ConvNeXt
from projects.core.weights import (
    ConvertedStateDict,
    RenamingRules,
    backbone_of,
    register_converter,
    rename,
)

# layers of a block: the authors', timm's, mmpretrain's
LAYERS = {
    **dict.fromkeys(('dwconv', 'conv_dw', 'depthwise_conv'), 'block.0'),
    'norm': 'block.2',
    **dict.fromkeys(('pwconv1', 'mlp.fc1', 'pointwise_conv1'), 'block.3'),
    **dict.fromkeys(('pwconv2', 'mlp.fc2', 'pointwise_conv2'), 'block.5'),
}
RULES: RenamingRules = (
    (
        r'stages\.(\d+)\.(?:blocks\.)?(\d+)\.gamma$',
        lambda m: f'features.{2 * int(m[1]) + 1}.{m[2]}.layer_scale',
    ),
    (
        rf'stages\.(\d+)\.(?:blocks\.)?(\d+)\.({"|".join(map(re.escape, LAYERS))})\.',
        lambda m: f'features.{2 * int(m[1]) + 1}.{m[2]}.{LAYERS[m[3]]}.',
    ),
    (r'stem\.', 'features.0.'),
    (
        r'(?:downsample_layers\.(\d+)|stages\.(\d+)\.downsample)\.',
        lambda m: f'features.{2 * int(m[1] or m[2])}.',
    ),
    # the last norm, which mmpretrain has in the backbone
    (r'(?:norm|norm3|head\.norm|head\.classifier\.0|classifier\.0)\.', '{norm}.'),
    (r'(?:head|head\.fc|head\.classifier\.2|classifier\.2)\.(?=weight|bias)', '{fc}.'),
)


@register_converter
def convert_convnext(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """Files of the authors, timm, mmpretrain, torchvision and ours, into a
    classifier, a detector or a backbone alone."""
    backbone, prefix = backbone_of(model, ConvNeXt)
    if backbone is None:
        return None
    names = {name.removeprefix('backbone.'): name for name in state_dict}
    wanted = model.state_dict()
    # a backbone that normalises its maps has what the head of the file has
    in_backbone = f'{prefix}norm3.weight' in wanted
    new_names = {
        '{norm}': f'{prefix}norm3' if in_backbone else 'head.classifier.0',
        '{fc}': 'head.classifier.2',
    }
    converted = ConvertedStateDict(
        {},
        # of its other maps a classifier has no norm
        kept=[k for k in wanted if re.match(rf'{re.escape(prefix)}norm[0-2]\.', k)],
    )
    is_known = False
    for old, new in rename(names, RULES).items():
        layer, _, kind = new.rpartition('.')
        new = f'{new_names.get(layer, layer)}.{kind}'
        if new.startswith('features.'):
            new, is_known = prefix + new, True
        elif re.match(r'norm[0-3]\.', old) and f'{prefix}{old}' in wanted:
            new = prefix + old  # a detector's file
        weight = state_dict[names[old]]
        if weight.ndim == 1 and kind == 'layer_scale':
            weight = weight[:, None, None]
            converted.reshaped[new] = f'{tuple(weight.shape[:1])} to (C, 1, 1)'
        elif weight.ndim == 4 and re.search(r'block\.[35]\.weight$', new):
            converted.reshaped[new] = f'{tuple(weight.shape)} to rows'
            weight = weight.flatten(1)
        converted.state_dict[new] = weight
        if new != names[old]:
            converted.renamed[new] = names[old]
    return converted if is_known else None
