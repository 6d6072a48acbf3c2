"""Other names for the weights of Swin, and other orders of their numbers.

The authors' files and timm's differ in names, and so do mmpretrain's and
mmdetection's, whose patch merging also has its channels in another order. Of
version 2, torchvision holds a bias of the keys, the others do not.
"""

import re
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.weights import ConvertedStateDict, backbone_of, register_converter
from projects.swin.backbone import SwinBackbone

# (what, by what): all that fit a name, one after the other
REPLACEMENTS = (
    (r'^patch_embed\.proj(ection)?\.', 'features.0.0.'),
    (r'^patch_embed\.norm\.', 'features.0.2.'),
    (
        r'^(?:layers|stages)\.(\d+)\.blocks\.',
        lambda m: f'features.{2 * int(m[1]) + 1}.',
    ),
    (r'\.attn\.w_msa\.', '.attn.'),
    (r'\.(mlp\.fc1|ffn\.layers\.0\.0)\.', '.mlp.0.'),
    (r'\.(mlp\.fc2|ffn\.layers\.1)\.', '.mlp.3.'),
)
MERGING = re.compile(r'^(?:layers|stages)\.(\d+)\.downsample\.')
# tables that follow from the size of a window or of a map
TABLES = ('relative_position_index', 'relative_coords_table', 'attn_mask')


@register_converter
def convert_swin(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """torchvision's, timm's, the authors', mmpretrain's and mmdetection's files, into
    a classifier, a detector or a backbone."""
    backbone, prefix = backbone_of(model, SwinBackbone)
    if backbone is None:
        return None
    renamed = rename_swin(state_dict, prefix, len(backbone.stage_modules()))
    if f'{prefix}features.0.0.weight' not in renamed.values():
        return None
    converted = ConvertedStateDict(
        {new: state_dict[old] for old, new in renamed.items()},
        {new: old for old, new in renamed.items() if new != old},
    )
    if any('.w_msa.' in name for name in state_dict):
        reorder_patch_merging(converted)
    wanted = model.state_dict()
    change_key_bias(converted, wanted)
    resize_tables(converted, wanted)
    # of a detector: a classifier has a norm for the last map alone
    norms = re.compile(rf'{prefix}norm\d+\.')
    converted.kept = [
        name
        for name in wanted
        if norms.match(name) and name not in converted.state_dict
    ]
    return converted


def rename_swin(names: Iterable[str], prefix: str, num_stages: int) -> dict[str, str]:
    """New names by old; those of tables are left out."""
    names = [name for name in names if not name.endswith(TABLES)]
    # timm has patch merging at the beginning of a stage, others at the end
    at_end = any(re.search(r'(layers|stages)\.0\.downsample\.', name) for name in names)
    is_whole = any(name.startswith('backbone.') for name in names)
    renamed = {}
    for old in names:
        name = old.removeprefix('backbone.')
        if is_whole and name == old:  # of the head or the neck
            renamed[old] = old
            continue
        if name.startswith('head.'):
            renamed[old] = re.sub(r'^head\.(fc\.)?', 'head.fc.', name)
            continue
        for pattern, replacement in REPLACEMENTS:
            name = re.sub(pattern, replacement, name)
        name = MERGING.sub(lambda m: f'features.{2 * (int(m[1]) + at_end)}.', name)
        name = re.sub(rf'^norm{num_stages - 1}\.', 'norm.', name)
        renamed[old] = prefix + name
    return renamed


def reorder_patch_merging(converted: ConvertedStateDict) -> None:
    """From channel, row, column, as ``nn.Unfold`` gives them, to column, row,
    channel."""
    weights = converted.state_dict
    for name in [name for name in weights if name.endswith('.reduction.weight')]:
        layer = name.removesuffix('.reduction.weight')
        width = weights[name].shape[1]
        for part in (name, f'{layer}.norm.weight', f'{layer}.norm.bias'):
            if weights[part].shape[-1] == width:  # not a norm after the reduction
                by_place = weights[part].unflatten(-1, (-1, 2, 2))
                weights[part] = by_place.transpose(-1, -3).flatten(-3)
                converted.reshaped[part] = 'columns in the order of the authors'


def change_key_bias(
    converted: ConvertedStateDict, wanted: Mapping[str, Tensor]
) -> None:
    """Give version 2 the bias of queries, keys and values in the form it has."""
    weights = converted.state_dict
    layers = {
        name.removesuffix('logit_scale') for name in wanted if 'logit_scale' in name
    }
    for layer in layers:
        whole, query, value = (layer + x for x in ('qkv.bias', 'q_bias', 'v_bias'))
        if whole in wanted and query in weights and value in weights:
            parts = weights.pop(query), weights.pop(value)
            weights[whole] = torch.cat([parts[0], torch.zeros_like(parts[0]), parts[1]])
            converted.reshaped[whole] = 'a bias of 0 for the keys'
        elif query in wanted and whole in weights:
            weights[query], _, weights[value] = weights.pop(whole).chunk(3)
            converted.reshaped[query] = 'the first third of qkv.bias'
            converted.reshaped[value] = 'the last third of qkv.bias'


def resize_tables(converted: ConvertedStateDict, wanted: Mapping[str, Tensor]) -> None:
    """Give version 1 a bias for each offset of its windows, between those of a file
    with other windows: bicubic, as the authors fine-tune at 384."""
    weights = converted.state_dict
    for name in wanted:
        if not name.endswith('relative_position_bias_table') or name not in weights:
            continue
        table = weights[name]
        new, old = (round(len(x) ** 0.5) for x in (wanted[name], table))
        if new != old and old**2 == len(table):
            table = table.t().unflatten(1, (old, old))[None]
            table = F.interpolate(table, (new, new), mode='bicubic')
            weights[name] = table[0].flatten(1).t()
            converted.reshaped[name] = f'from {old} x {old} to {new} x {new} offsets'
