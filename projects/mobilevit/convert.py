"""mmpretrain's names for the weights of MobileViT; timm's are ours."""

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
from projects.mobilevit.mobilevit import MobileViT

RESIDUAL_LAYERS = ('conv1_1x1', 'conv2_kxk', 'conv3_1x1')
TRANSFORMER_LAYERS = {
    'ln1': 'norm1',
    'ln2': 'norm2',
    'attn.qkv': 'attn.qkv',
    'attn.proj': 'attn.proj',
    'ffn.layers.0.0': 'mlp.fc1',
    'ffn.layers.1': 'mlp.fc2',
}


def _of_residual(match: re.Match) -> str:
    return f'backbone.stages.{match[1]}.{RESIDUAL_LAYERS[int(match[2])]}.'


def _of_transformer(match: re.Match) -> str:
    layer = TRANSFORMER_LAYERS[match[3]]
    return f'backbone.stages.{match[1]}.transformer.{match[2]}.{layer}.'


BLOCK = r'backbone\.layers\.(\d+\.\d+)'
LAYERS = '|'.join(map(re.escape, TRANSFORMER_LAYERS))
RULES: RenamingRules = (
    (rf'{BLOCK}\.conv\.(\d)\.', _of_residual),
    (rf'{BLOCK}\.local_rep\.0\.', r'backbone.stages.\1.conv_kxk.'),
    (rf'{BLOCK}\.local_rep\.1\.conv\.', r'backbone.stages.\1.conv_1x1.'),
    (rf'{BLOCK}\.global_rep\.(\d+)\.({LAYERS})\.', _of_transformer),
    # what is left there is the norm after the last layer
    (rf'{BLOCK}\.global_rep\.\d+\.', r'backbone.stages.\1.norm.'),
    (rf'{BLOCK}\.', r'backbone.stages.\1.'),
    (r'backbone\.conv_1x1_exp\.', 'backbone.final_conv.'),
)


@register_converter
def convert_mobilevit(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """mmpretrain's files into a classifier, a detector or a backbone."""
    backbone, prefix = backbone_of(model, MobileViT)
    if backbone is None:
        return None
    if 'backbone.conv_1x1_exp.conv.weight' not in state_dict:
        return None
    rules = RULES
    ours = [
        n for n, m in model.named_modules() if n.startswith('head.') and m._parameters
    ]
    if len(ours) == 1:
        rules = ((r'head\.fc\.', f'{ours[0]}.'), *rules)
    renamed = rename(state_dict, rules, prefix)
    return renamed_weights(state_dict, renamed)
