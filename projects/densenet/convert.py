"""Other names for the weights of DenseNet.

torchvision's files hold 'norm.1' and 'conv.2' where its modules, and ours, are
'norm1' and 'conv2'; mmpretrain counts stages and blocks from 0.
"""

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
from projects.densenet.densenet import DenseNet

TORCHVISION: RenamingRules = (
    (
        r'(features\.denseblock\d+\.denselayer\d+\.(?:norm|conv))\.(?=\d)',
        r'backbone.\1',
    ),
    (r'features\.', 'backbone.features.'),
    (r'classifier\.', 'head.fc.'),
)
MMPRETRAIN: RenamingRules = (
    (r'backbone\.stem\.0\.', 'backbone.features.conv0.'),
    (r'backbone\.stem\.1\.', 'backbone.features.norm0.'),
    (
        r'backbone\.stages\.(\d+)\.block\.(\d+)\.',
        lambda m: (
            f'backbone.features.denseblock{int(m[1]) + 1}.denselayer{int(m[2]) + 1}.'
        ),
    ),
    (r'backbone\.transitions\.3\.0\.', 'backbone.features.norm5.'),
    (
        r'backbone\.transitions\.(\d+)\.',
        lambda m: f'backbone.features.transition{int(m[1]) + 1}.',
    ),
)


@register_converter
def convert_densenet(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """torchvision's files and mmpretrain's, into a classifier or a backbone."""
    backbone, prefix = backbone_of(model, DenseNet)
    if backbone is None:
        return None
    if 'features.norm5.weight' in state_dict:
        rules = TORCHVISION
    elif 'backbone.stem.0.weight' in state_dict:
        rules = MMPRETRAIN
    else:
        return None
    return renamed_weights(state_dict, rename(state_dict, rules, prefix))
