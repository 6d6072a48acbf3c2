"""Other names for the weights of a Vision Transformer: timm's, mmpretrain's and those
of torchvision's older files. Position embeddings of other numbers of patches.
"""

import math
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
from projects.vit.vision_transformer import (
    VisionTransformer,
    resize_position_embedding,
)


def of_blocks(block: str, layers: Mapping[str, str]) -> RenamingRules:
    """Rules for the layers of all blocks, ours by theirs."""
    return tuple(
        (f'{block}{theirs}', rf'backbone.encoder.layers.encoder_layer_\1.{ours}')
        for theirs, ours in layers.items()
    )


ATTENTION = {
    r'attn\.qkv\.': 'self_attention.in_proj_',  # queries, keys, values: one matrix
    r'attn\.proj\.': 'self_attention.out_proj.',
}
TORCHVISION: RenamingRules = (
    # before its 0.13, and in its files
    *of_blocks(
        r'encoder\.layers\.encoder_layer_(\d+)\.',
        {r'mlp\.linear_1\.': 'mlp.0.', r'mlp\.linear_2\.': 'mlp.3.'},
    ),
    (r'(class_token$|conv_proj\.|encoder\.)', r'backbone.\1'),
    (r'heads\.head\.', 'head.fc.'),
)
TIMM: RenamingRules = (
    (r'cls_token$', 'backbone.class_token'),
    (r'pos_embed$', 'backbone.encoder.pos_embedding'),
    (r'patch_embed\.proj\.', 'backbone.conv_proj.'),
    *of_blocks(
        r'blocks\.(\d+)\.',
        {
            r'norm1\.': 'ln_1.',
            **ATTENTION,
            r'norm2\.': 'ln_2.',
            r'mlp\.fc1\.': 'mlp.0.',
            r'mlp\.fc2\.': 'mlp.3.',
        },
    ),
    (r'norm\.', 'backbone.encoder.ln.'),
    (r'head\.', 'head.fc.'),
)
MMPRETRAIN: RenamingRules = (
    (r'backbone\.cls_token$', 'backbone.class_token'),
    (r'backbone\.pos_embed$', 'backbone.encoder.pos_embedding'),
    (r'backbone\.patch_embed\.projection\.', 'backbone.conv_proj.'),
    *of_blocks(
        r'backbone\.layers\.(\d+)\.',
        {
            r'ln1\.': 'ln_1.',
            **ATTENTION,
            r'ln2\.': 'ln_2.',
            r'ffn\.layers\.0\.0\.': 'mlp.0.',
            r'ffn\.layers\.1\.': 'mlp.3.',
        },
    ),
    (r'backbone\.ln1\.', 'backbone.encoder.ln.'),
    (r'head\.layers\.head\.', 'head.fc.'),
)
LAYOUTS: dict[str, RenamingRules] = {  # by a name that no other has
    'conv_proj.weight': TORCHVISION,
    'patch_embed.proj.weight': TIMM,
    'backbone.patch_embed.projection.weight': MMPRETRAIN,
}


@register_converter
def convert_vit(
    model: nn.Module, state_dict: Mapping[str, Tensor]
) -> ConvertedStateDict | None:
    """Files of torchvision, timm and mmpretrain, and files of images of another
    size, into a classifier, a detector or a backbone."""
    backbone, prefix = backbone_of(model, VisionTransformer)
    if backbone is None:
        return None
    rules = next((LAYOUTS[name] for name in LAYOUTS if name in state_dict), ())
    renamed = rename(state_dict, rules, prefix)
    converted = renamed_weights(state_dict, renamed)
    name = f'{prefix}encoder.pos_embedding'
    if name in converted.state_dict:
        resize_to(backbone, converted, name)
    return converted if converted.renamed or converted.reshaped else None


def resize_to(
    backbone: VisionTransformer, converted: ConvertedStateDict, name: str
) -> None:
    """Give a file's position embedding as many patches as the backbone has.

    Those of the file are taken for a square; where they are none, the embedding is
    left as it is, and refused for its shape.
    """
    embedding = converted.state_dict[name]
    wanted = backbone.encoder.pos_embedding
    if embedding.shape == wanted.shape or embedding.dim() != 3:
        return
    side = math.isqrt(max(0, embedding.shape[1] - 1))
    if side and embedding.shape[1] == 1 + side**2:
        converted.state_dict[name] = resize_position_embedding(
            embedding, (side, side), backbone.grid
        )
        rows, columns = backbone.grid
        converted.reshaped[name] = (
            f'{side} x {side} to {rows} x {columns} patches, bicubic'
        )
