"""Weights of transformers' GPT-2 and GPT, and of files like theirs."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from projects.core.errors import UserError
from projects.core.weights import ConvertedStateDict, backbone_of, register_converter
from projects.gpt.gpt import GPT

OF_GPT1 = {'tokens_embed.': 'wte.', 'positions_embed.': 'wpe.'}
# masks that older files hold, and that are computed here
MASKS = re.compile(r'h\.\d+\.attn\.(bias|masked_bias)')
# layers whose weights transformers stores as (in, out)
TRANSPOSED = re.compile(r'h\.\d+\.(attn|mlp)\.c_(attn|proj|fc)\.weight')


@register_converter
def convert_gpt(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """Files of ``GPT2Model``, ``OpenAIGPTModel`` and of the language models of both,
    whose names begin with 'transformer.', into a backbone or a model of one.

    Raises:
        UserError: If the file's output matrix is not that of its embedding.
    """
    backbone, prefix = backbone_of(model, GPT)
    if backbone is None:
        return None
    names = {}  # the file's: the backbone's
    for name in state_dict:
        bare = name.removeprefix('transformer.')
        for theirs, ours in OF_GPT1.items():
            if bare.startswith(theirs):
                bare = ours + bare.removeprefix(theirs)
        names[name] = bare
    embedding = {ours: theirs for theirs, ours in names.items()}.get('wte.weight')
    if embedding is None:
        return None
    first = next((n for n, o in names.items() if o == 'h.0.attn.c_attn.weight'), None)
    wide = first is not None and state_dict[first].shape == (
        backbone.embed_dims,
        3 * backbone.embed_dims,
    )
    converted = ConvertedStateDict({})
    for theirs, name in names.items():
        weight = state_dict[theirs]
        if MASKS.fullmatch(name):
            converted.unused[theirs] = 'a mask, which is computed'
            continue
        if theirs == 'lm_head.weight':
            if not torch.equal(weight, state_dict[embedding]):
                raise UserError(
                    f'lm_head.weight is not equal to {embedding}: this model has one '
                    'matrix for its embedding and its output'
                )
            converted.unused[theirs] = f'the same as {embedding}'
            continue
        ours = prefix + name
        if wide and weight.dim() == 2 and TRANSPOSED.fullmatch(name):
            weight = weight.t()  # a view
            converted.reshaped[ours] = 'transposed'
        converted.state_dict[ours] = weight
        if ours != theirs:
            converted.renamed[ours] = theirs
    return converted
