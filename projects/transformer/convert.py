"""Other names for the weights of a Transformer: ``torch.nn.Transformer``, which has
no embedding, and transformers' ``MarianMTModel``, which splits the matrices of
queries, keys and values.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from projects.core.errors import UserError
from projects.core.weights import (
    ConvertedStateDict,
    RenamingRules,
    backbone_of,
    register_converter,
    rename,
)
from projects.transformer.transformer import Transformer

LAYER = r'(?:model\.)?((?:en|de)coder\.layers\.\d+)\.'
MARIAN: RenamingRules = (
    (rf'{LAYER}self_attn_layer_norm\.', r'\1.norm1.'),
    (rf'{LAYER}encoder_attn_layer_norm\.', r'\1.norm2.'),
    (r'(?:model\.)?(encoder\.layers\.\d+)\.final_layer_norm\.', r'\1.norm2.'),
    (r'(?:model\.)?(decoder\.layers\.\d+)\.final_layer_norm\.', r'\1.norm3.'),
    (rf'{LAYER}encoder_attn\.', r'\1.multihead_attn.'),
    (rf'{LAYER}self_attn\.', r'\1.self_attn.'),
    (rf'{LAYER}fc([12])\.', r'\1.linear\2.'),
)
# the one embedding, and its copies; a safetensors file keeps one of them
TIED = re.compile(r'((model\.)?(shared|(en|de)coder\.embed_tokens)|lm_head)\.weight')
POSITIONS = re.compile(r'(model\.)?(en|de)coder\.embed_positions\.weight')
PROJECTION = re.compile(r'(.*_attn\.)([qkv])_proj\.(weight|bias)')


@register_converter
def convert_transformer(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """Files of ``torch.nn.Transformer`` and of transformers' Marian, into a backbone
    or a model of one.

    Raises:
        UserError: If a Marian file does what this model, as it was built, does not:
            matrices of their own for source, target or scores, other positions, a
            bias of the scores.
    """
    backbone, prefix = backbone_of(model, Transformer)
    if backbone is None:
        return None
    if any(name.endswith('self_attn.q_proj.weight') for name in state_dict):
        return convert_marian(backbone, prefix, state_dict)
    if 'encoder.layers.0.self_attn.in_proj_weight' not in state_dict or any(
        name.startswith('embedding.') for name in state_dict
    ):
        return None
    return ConvertedStateDict(
        {prefix + name: weight for name, weight in state_dict.items()},
        {prefix + name: name for name in state_dict if prefix},
        kept=[f'{prefix}embedding.weight'],
    )


def convert_marian(
    backbone: Transformer, prefix: str, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict:
    """Marian's names; see :func:`convert_transformer`."""
    if backbone.positions.layout != 'halves':
        raise UserError(
            "Marian's positions are all sines before all cosines; build this "
            "Transformer with positions='halves'"
        )
    converted = ConvertedStateDict({})
    shared = next((name for name in state_dict if TIED.fullmatch(name)), None)
    parts: dict[str, dict[str, str]] = {}  # of a matrix: q, k, v and their names
    for theirs, ours in rename(state_dict, MARIAN).items():
        weight = state_dict[theirs]
        if theirs == shared:
            converted.state_dict[f'{prefix}embedding.weight'] = weight
            converted.renamed[f'{prefix}embedding.weight'] = theirs
        elif TIED.fullmatch(theirs):
            if not torch.equal(weight, state_dict[shared]):
                raise UserError(
                    f'{theirs} is not equal to {shared}: this model has one matrix '
                    'for source, target and scores'
                )
            converted.unused[theirs] = f'the same as {shared}'
        elif POSITIONS.fullmatch(theirs):
            converted.unused[theirs] = 'sines and cosines, which are computed'
        elif theirs == 'final_logits_bias' and backbone.output_bias is None:
            if weight.any():
                raise UserError(
                    'the scores of this file have a bias; build this Transformer '
                    'with output_bias=True'
                )
            converted.unused[theirs] = 'zeros'
        elif part := PROJECTION.fullmatch(ours):
            stem, letter, kind = part.groups()
            parts.setdefault(f'{stem}in_proj_{kind}', {})[letter] = theirs
        elif theirs == 'final_logits_bias':
            converted.state_dict[f'{prefix}output_bias'] = weight.flatten()
            converted.renamed[f'{prefix}output_bias'] = theirs
            converted.reshaped[f'{prefix}output_bias'] = f'{tuple(weight.shape)} to row'
        else:
            converted.state_dict[prefix + ours] = weight
            converted.renamed[prefix + ours] = theirs
    for ours, names in parts.items():
        if names.keys() == set('qkv'):
            converted.state_dict[prefix + ours] = torch.cat(
                [state_dict[names[letter]] for letter in 'qkv']
            )
            converted.renamed[prefix + ours] = names['q']
            converted.reshaped[prefix + ours] = 'q, k, v one above the other'
        else:  # what is there is one too many, and is refused by its name
            for name in names.values():
                converted.state_dict[name] = state_dict[name]
    return converted
