"""mmpretrain's names for the weights of both versions.

Its stages are 'layers', counted from 0, and a convolution is 'conv' and 'bn'.
"""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from projects.core.weights import (
    ConvertedStateDict,
    RenamingRules,
    backbone_of,
    register_converter,
    rename,
    renamed_weights,
)
from projects.shufflenet.v1 import ShuffleNetV1
from projects.shufflenet.v2 import ShuffleNetV2

LAYERS = {'conv': 0, 'bn': 1}
V1_PARTS = {
    'g_conv_1x1_compress': 'compress',
    'depthwise_conv3x3_bn': 'depthwise',
    'g_conv_1x1_expand': 'expand',
}
# number of a branch's convolution among its layers: those of branch1 and the last
# one have no activation in the middle
V2_CONVS = {('1', '0'): 0, ('1', '1'): 2, ('2', '0'): 0, ('2', '1'): 3, ('2', '2'): 5}


def _v1_layer(m: re.Match) -> str:
    return f'backbone.stage{int(m[1]) + 2}.{m[2]}.{V1_PARTS[m[3]]}.{LAYERS[m[4]]}.'


def _v2_layer(m: re.Match) -> str:
    number = V2_CONVS[m[3], m[4]] + LAYERS[m[5]]
    return f'backbone.stage{int(m[1]) + 2}.{m[2]}.branch{m[3]}.{number}.'


MMPRETRAIN: RenamingRules = (
    (r'backbone\.conv1\.(conv|bn)\.', lambda m: f'backbone.conv1.{LAYERS[m[1]]}.'),
    (
        rf'backbone\.layers\.([0-2])\.(\d+)\.({"|".join(V1_PARTS)})\.(conv|bn)\.',
        _v1_layer,
    ),
    (
        r'backbone\.layers\.([0-2])\.(\d+)\.branch(1|2)\.([0-2])\.(conv|bn)\.',
        _v2_layer,
    ),
    (r'backbone\.layers\.3\.(conv|bn)\.', lambda m: f'backbone.conv5.{LAYERS[m[1]]}.'),
)


@register_converter
def convert_shufflenet(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """mmpretrain's files, into a classifier or a backbone."""
    backbone, prefix = backbone_of(model, ShuffleNetV1, ShuffleNetV2)
    if backbone is None:
        return None
    if 'backbone.conv1.conv.weight' not in state_dict:
        return None
    return renamed_weights(state_dict, rename(state_dict, MMPRETRAIN, prefix))
