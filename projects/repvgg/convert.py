"""Other names for the weights of RepVGG, and weights of its other form.

Files of the authors, timm and mmpretrain hold the training form, or what their
tools made of it for deployment.
"""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from projects.core.errors import UserError
from projects.core.weights import (
    ConvertedStateDict,
    RenamingRules,
    backbone_of,
    register_converter,
    rename,
    renamed_weights,
)
from projects.repvgg.repvgg import RepVGG, RepVGGBlock, fuse_branches

PARTS = {  # of a block
    'rbr_dense.conv': 'conv_kxk.conv',  # the authors'
    'rbr_dense.bn': 'conv_kxk.bn',
    'rbr_1x1.conv': 'conv_1x1.conv',
    'rbr_1x1.bn': 'conv_1x1.bn',
    'rbr_identity': 'identity',
    'rbr_reparam': 'reparam_conv',
    'branch_3x3.conv': 'conv_kxk.conv',  # mmpretrain's
    'branch_3x3.norm': 'conv_kxk.bn',
    'branch_1x1.conv': 'conv_1x1.conv',
    'branch_1x1.norm': 'conv_1x1.bn',
    'branch_norm': 'identity',
    'branch_reparam': 'reparam_conv',
}


def _ours(match: re.Match) -> str:
    """Our name for a part of a block in stage ``match[1]``, None for the stem."""
    stage, block, part = match.groups()
    place = f'stages.{int(stage) - 1}.{block}' if block else 'stem'
    return f'backbone.{place}.{PARTS[part]}.'


# a stage's number, its block's, the part; the authors' stem is the stage 0
PART = rf'({"|".join(map(re.escape, PARTS))})\.'
RULES: RenamingRules = (
    (rf'(?:backbone\.)?(?:stem|stage_?(\d+))(?:\.(\d+))?\.{PART}', _ours),
    (r'linear\.', 'head.fc.'),
    (r'(?=(?:stem|stages)\.)', 'backbone.'),  # timm's
)


@register_converter
def convert_repvgg(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """Files of others, into a classifier or a backbone; the training form is fused
    where the model is deployed.

    Raises:
        UserError: If the file holds the deployed form and the model is to have the
            other, which it cannot be turned back to.
    """
    backbone, prefix = backbone_of(model, RepVGG)
    if backbone is None:
        return None
    renamed = rename(state_dict, RULES, prefix)
    is_deployed = f'{prefix}stem.reparam_conv.weight' in renamed.values()
    if not is_deployed and f'{prefix}stem.conv_kxk.conv.weight' not in renamed.values():
        return None
    if is_deployed and not backbone.deploy:
        raise UserError(
            'the file holds the re-parameterised form of RepVGG, whose branches are '
            'gone; build the model in that form, with model.backbone.deploy=True '
            '(cfg_options), or give the checkpoint that it was made from'
        )
    converted = renamed_weights(state_dict, renamed)
    if backbone.deploy and not is_deployed:
        _fuse(backbone, prefix, converted)
    return converted


def _fuse(backbone: RepVGG, prefix: str, converted: ConvertedStateDict) -> None:
    """Add up the branches of each block that the file has wholly."""
    weights = converted.state_dict
    for name, block in backbone.named_modules():
        if not isinstance(block, RepVGGBlock):
            continue
        place = f'{prefix}{name}.'
        branches = {
            key.removeprefix(place): key for key in weights if key.startswith(place)
        }
        try:
            fused = fuse_branches(
                {part: weights[key] for part, key in branches.items()}, block.eps
            )
        except (KeyError, RuntimeError):
            continue  # another network: what differs will be shown
        for key in branches.values():
            del weights[key]
            converted.renamed.pop(key, None)
        for kind, weight in fused.items():
            key = f'{place}reparam_conv.{kind}'
            weights[key] = weight
            converted.reshaped[key] = 'its branches added up'
