"""Where a model looks: its attention, drawn over an image.

It needs two things of a model. Its attention is computed by
:class:`projects.core.layers.ScaledDotProductAttention`, whose ``softmax`` is looked at
here; and its backbone says how the tokens lie in the image: ``patch_size``, the side
of a token's patch in pixels, and ``token_grid(height, width)``, the rows and columns
of patches of an image. The patches are the last tokens, row by row; what is before
them, such as a class token, has no place in the image.

Legend: N heads, T tokens, H and W in pixels.
"""

import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from projects.core.config import explained, load_config, test_pipeline_of
from projects.core.datasets.decoding import as_picture
from projects.core.errors import UserError
from projects.core.files import check_outputs, output_file
from projects.core.layers import ScaledDotProductAttention
from projects.core.quiet import hushed, quiet_libraries
from projects.core.tasks.attention_recording import recorded_attention
from projects.core.tasks.drawing import MAX_SIDE
from projects.core.tasks.images import ImagePipeline
from projects.core.values import FLAG, PATH, checked, optional, pair, whole
from projects.core.weights import load_weights, read_weights
from projects.registry import MODELS

COLUMNS = 7  # panels in a row of a picture


def attention_rollout(attentions: Sequence[Tensor]) -> list[Tensor]:
    """What reaches each token from the image through several blocks.

    Attention of a deep block is over tokens that are mixed already. Rollout traces it
    down to the patches: the heads' mean and the shortcut, a half each, multiplied
    block by block (Abnar and Zuidema, "Quantifying Attention Flow in Transformers",
    ACL 2020, Sec. 3, https://arxiv.org/abs/2005.00928).

    Args:
        attentions: (N, T, T) of each block, the first first.

    Returns:
        list: (T, T) after each block; row i says how much of each patch token i
        holds, of sum 1.
    """
    rollouts: list[Tensor] = []
    for attention in attentions:
        step = attention.mean(0)
        step = (step + torch.eye(len(step), dtype=step.dtype)) / 2
        rollouts.append(step @ rollouts[-1] if rollouts else step)
    return rollouts


def num_attention_blocks(backbone: nn.Module | None) -> int:
    """Blocks whose attention is between the patches of one grid, 0 if it is not."""
    if not hasattr(backbone, 'token_grid'):
        return 0
    return sum(isinstance(m, ScaledDotProductAttention) for m in backbone.modules())


def checked_block(block: int, num_blocks: int, subject: str) -> int:
    """The number of a block from 0, of one that may be counted from the last.

    Raises:
        UserError: If ``subject``, for the message, has no such block.
    """
    if not -num_blocks <= block < num_blocks:
        raise UserError(f'--block {block}: {subject} has {num_blocks} blocks, from 0')
    return block % num_blocks


def attention_between_patches(
    model: nn.Module, inputs: Tensor
) -> tuple[list[Tensor], tuple[int, int]]:
    """Attention (N, T, T) of each block for one image, and its grid of patches.

    Args:
        model: In eval mode, with ``backbone``.
        inputs: (1, C, H, W).
    """
    with recorded_attention(model) as recorded, torch.no_grad():
        model.backbone(inputs)
    return (
        [attention[0].float().cpu() for attention in recorded],
        model.backbone.token_grid(*inputs.shape[-2:]),
    )


@checked(
    config=PATH,
    checkpoint=PATH,
    image=PATH,
    out=PATH,
    block=whole(),
    rollout=FLAG,
    query=optional(pair(whole(0))),
)
def draw_attention(
    config: str,
    checkpoint: str,
    image: str,
    out: str = 'attention',
    block: int = -1,
    rollout: bool = False,
    query: Sequence[int] | None = None,
    cfg_options: list[str] | None = None,
) -> list[str]:
    """Draw what a token of a checkpoint's model attends to in an image.

    Args:
        config: Run config of the model.
        checkpoint: Weights, see :func:`projects.core.weights.read_weights`.
        image: Image file; the config's test pipeline prepares it.
        out: Folder to write to: ``<image>_block<N>.png`` has a panel for each head,
            and ``<image>_rollout.png`` one for each number of blocks.
        block: Number of the block, from 0; -1 is the last.
        rollout: Whether to draw the rollout, too.
        query: Row and column, from 0, of the patch whose attention is drawn; None
            for the class token's.
        cfg_options: Settings over those of the config.

    Returns:
        The files.

    Raises:
        UserError: If the model is none that can be drawn, has no such block or token,
            a file cannot be read or the pictures cannot be written.
    """
    quiet_libraries()
    cfg = load_config(config, cfg_options)
    if not test_pipeline_of(cfg):
        raise UserError(
            f'{config} does not say how an image is prepared (test_dataloader): give '
            'a run config'
        )
    with explained(cfg), DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
        with hushed():
            model.init_weights()
        backbone = getattr(model, 'backbone', None)
        num_blocks = num_attention_blocks(backbone)
        if not num_blocks:
            raise UserError(
                f'{config}: the attention of a {type(backbone).__name__} cannot be '
                'drawn, only that of backbones whose tokens are the patches of one '
                'grid, such as projects.VisionTransformer'
            )
        block = checked_block(block, num_blocks, config)
        stem = Path(image).stem
        files = [osp.join(out, f'{stem}_block{block}.png')]
        if rollout:
            files.append(osp.join(out, f'{stem}_rollout.png'))
        check_outputs(files, '--out')
        weights = read_weights(checkpoint)['state_dict']
        print_log(load_weights(model, weights, checkpoint), 'current')
        pipeline = ImagePipeline(cfg, model)
        read = list(pipeline.read([Path(image)], 0))
        if not read:
            raise UserError(pipeline.last_error)
        packed = read[0][-1]
        data = model.data_preprocessor(pseudo_collate([packed]))
        attentions, grid = attention_between_patches(model.eval(), data['inputs'])

    rows, columns = grid
    num_before = attentions[0].shape[-1] - rows * columns
    if query is None:
        if not num_before:
            raise UserError(f'{config} has no class token: choose a patch by --query')
        token = 0
    else:
        row, column = query
        if row >= rows or column >= columns:
            raise UserError(
                f'--query {row} {column}: the image has {rows} x {columns} patches, '
                'from 0'
            )
        token = num_before + row * columns + column

    # as the model sees it, resized and cropped
    picture = as_picture(packed['inputs'].permute(1, 2, 0).numpy())[..., ::-1]

    def on_grid(of_tokens: Tensor) -> np.ndarray:
        return of_tokens[num_before:].reshape(grid).numpy()

    def draw(file: str, maps: dict[str, np.ndarray]) -> None:
        with output_file(file, '--out') as stream:
            attention_figure(picture, maps, backbone.patch_size, query).savefig(
                stream, format='png', dpi=80
            )

    heads = attentions[block]
    maps = {f'head {i}': on_grid(head[token]) for i, head in enumerate(heads)}
    draw(files[0], {**maps, 'mean': on_grid(heads.mean(0)[token])})
    if rollout:
        draw(
            files[1],
            {
                f'blocks 0 to {i}': on_grid(rolled[token])
                for i, rolled in enumerate(attention_rollout(attentions))
            },
        )
    on_image = 1 - heads[:, token, :num_before].sum(-1).mean().item()
    print_log(
        f'{image}, block {block} of {num_blocks}: {len(heads)} heads on '
        f'{rows} x {columns} patches, which have {on_image:.1%} of the attention '
        f'on average: {", ".join(files)}',
        'current',
    )
    return files


def attention_figure(
    picture: np.ndarray,
    maps: dict[str, np.ndarray],
    patch_size: int,
    query: Sequence[int] | None,
) -> Figure:
    """The image and, by their titles, maps over it, each up to its own maximum.

    Args:
        picture: (H, W, 3) uint8 RGB.
        maps: Of the patches, (rows, columns) each.
        patch_size: Side of a patch.
        query: Row and column of the patch that looks, which is outlined; None for a
            token that has no place.
    """
    height, width = picture.shape[:2]
    columns = min(COLUMNS, 1 + len(maps))
    rows = -(-(1 + len(maps)) // columns)
    side = min(2.0, MAX_SIDE / 80 / max(rows, columns))  # inches
    figure = Figure(
        figsize=(side * columns, (side + 0.25) * rows), layout='constrained'
    )
    grey = picture.mean(-1)
    for i, title in enumerate(['image', *maps]):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
        extent = (0, width, height, 0)
        if title == 'image':
            axes.imshow(picture, extent=extent)
        else:
            # dimmed, or its own white would pass for attention
            axes.imshow(grey, cmap='gray', vmin=0, vmax=510, extent=extent)
            patches = maps[title]
            right, bottom = (n * patch_size for n in patches.shape[::-1])
            axes.imshow(
                patches, cmap='inferno', alpha=0.7, vmin=0, extent=(0, right, bottom, 0)
            )
        if query is not None:
            axes.add_patch(
                Rectangle(
                    (query[1] * patch_size, query[0] * patch_size),
                    patch_size,
                    patch_size,
                    fill=False,
                    edgecolor='cyan',
                )
            )
        # patches of padding are left out
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
    return figure
