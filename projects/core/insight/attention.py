"""What a Vision Transformer attends to in an image."""

from projects.core.insight.views import ViewOptions
from projects.core.layers import ScaledDotProductAttention
from projects.core.tasks.attention_maps import (
    attention_between_patches,
    attention_figure,
    attention_rollout,
    checked_block,
    num_attention_blocks,
)
from projects.core.tasks.subject import Drawn, NotServed, Subject


def draw_attention_of(subject: Subject, options: ViewOptions) -> Drawn:
    """The class token's attention in a block, head by head, and traced through all.

    Raises:
        UserError: If there is no such block.
        NotServed: If attention is not between the patches of one grid.
    """
    backbone = subject.backbone
    name = type(backbone).__name__
    num_blocks = num_attention_blocks(backbone)
    if not num_blocks:
        attends = any(
            isinstance(m, ScaledDotProductAttention) for m in backbone.modules()
        )
        raise NotServed(
            f'a {name} attends within windows or parts of its maps, and to no grid of '
            'patches as a whole'
            if attends
            else f'a {name} has no attention'
        )
    block = checked_block(options.block, num_blocks, f'a {name}')
    attentions, grid = attention_between_patches(subject.model, subject.inputs)
    num_before = attentions[0].shape[-1] - grid[0] * grid[1]
    if not num_before:
        raise NotServed(
            f'a {name} has no class token; tools/analysis_tools/draw_attention.py '
            '--query draws the attention of a patch'
        )
    heads = attentions[block]
    of_class_token = {f'head {i}': head[0] for i, head in enumerate(heads)}
    of_class_token |= {
        'mean': heads.mean(0)[0],
        f'rollout, 0 to {num_blocks - 1}': attention_rollout(attentions)[-1][0],
    }
    maps = {
        title: tokens[num_before:].reshape(grid).numpy()
        for title, tokens in of_class_token.items()
    }
    figure = attention_figure(subject.picture, maps, backbone.patch_size, None)
    figure.supxlabel(
        'bright is what the class token attends to; each panel up to its own maximum',
        fontsize=8.5,
    )
    return Drawn(
        figure,
        f'what the class token attends to in block {block} of {num_blocks}, head by '
        f'head, on {grid[0]} x {grid[1]} patches; rollout traces it through all blocks',
    )
