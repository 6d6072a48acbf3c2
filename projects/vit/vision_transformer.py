"""Vision Transformer (ViT), after Dosovitskiy et al., "An Image is Worth 16x16
Words: Transformers for Image Recognition at Scale", ICLR 2021, Sec. 3.1 and
Table 1, https://arxiv.org/abs/2010.11929.

Its two smallest widths are DeiT's (Touvron et al., "Training data-efficient image
transformers & distillation through attention", ICML 2021, Table 1,
https://arxiv.org/abs/2012.12877).

Legend: B images, C channels, H and W in pixels, P side of a patch, D width of a
token, T tokens: the class token and then the patches, row by row. Differences from
the paper: README, "Notes".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import Tensor, nn

from projects.core.layers import (
    Backbone,
    ScaledDotProductAttention,
    StochasticDepth,
)
from projects.core.layers.backbone import LayerGroups, Stages
from projects.registry import MODELS

LN = dict(type='LN', eps=1e-6)
GELU = dict(type='GELU')
POOLS = ('token', 'average')


@dataclass(frozen=True)
class ViTArch:
    """Sizes of a Vision Transformer (Table 1).

    Args:
        embed_dims: D.
        num_blocks: Encoder blocks.
        num_heads: Attention heads, a divisor of D.
        mlp_dims: Width of the hidden layer after each attention.

    Raises:
        ValueError: If the heads do not share D evenly.
    """

    embed_dims: int
    num_blocks: int
    num_heads: int
    mlp_dims: int

    def __post_init__(self) -> None:
        if self.embed_dims % self.num_heads:
            raise ValueError(
                f'num_heads {self.num_heads} does not divide embed_dims '
                f'{self.embed_dims}'
            )


def resize_position_embedding(
    embedding: Tensor,
    old_size: tuple[int, int],
    size: tuple[int, int],
    align_corners: bool = False,
    antialias: bool = True,
) -> Tensor:
    """A position embedding for another number of patches, by bicubic interpolation.

    Sec. 3.2: at a higher resolution there are more patches; their embeddings lie
    between those of the patches that were trained. What comes before the patches,
    the class token's embedding, has no place in the image and stays as it is.

    Args:
        embedding: (1, T, D).
        old_size: Rows and columns of its patches.
        size: Rows and columns that are wanted.
        align_corners: Whether the outermost patches keep their embeddings. With
            True, and without ``antialias``, it is torchvision's
            ``interpolate_embeddings``; the default is timm's.
        antialias: Whether to average where there are fewer patches than before.

    Returns:
        Tensor: (1, T', D).
    """
    num_patches = old_size[0] * old_size[1]
    prefix, patches = embedding.split(
        [embedding.shape[1] - num_patches, num_patches], dim=1
    )
    # (1, D, rows, columns); half precision would round the weights
    grid = patches.transpose(1, 2).unflatten(2, old_size).float()
    grid = F.interpolate(
        grid, size, mode='bicubic', align_corners=align_corners, antialias=antialias
    )
    return torch.cat([prefix, grid.flatten(2).transpose(1, 2).to(prefix.dtype)], dim=1)


class SelfAttention(nn.Module):
    """Multi-head self-attention, (B, T, D) to (B, T, D) (Appendix A).

    The weights have the names and the initial values of
    ``torch.nn.MultiheadAttention``.

    Args:
        embed_dims: D.
        num_heads: Heads, each of D / num_heads channels.
        fused_attention: See :class:`VisionTransformer`.
        dropout: Probability that an attention weight is set to 0.
    """

    def __init__(
        self, embed_dims: int, num_heads: int, fused_attention: bool, dropout: float
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dims, embed_dims))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dims))
        self.out_proj = nn.Linear(embed_dims, embed_dims)
        self.attention = ScaledDotProductAttention(fused_attention, dropout)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        # (B, T, 3 D) to three of (B, heads, T, D / heads)
        qkv = qkv.unflatten(2, (3, self.num_heads, x.shape[2] // self.num_heads))
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind()
        return self.out_proj(
            self.attention(query, key, value).transpose(1, 2).flatten(2)
        )


class EncoderBlock(nn.Module):
    """Attention, then an MLP, each added to what it is given (Eq. 2 and 3).

    Maps tokens (B, T, D) to (B, T, D).

    Args:
        arch: Sizes.
        fused_attention: See :class:`VisionTransformer`.
        dropout: Probability of dropout after each linear layer but those of the
            queries, keys and values.
        attention_dropout: Probability that an attention weight is set to 0.
        stochastic_depth_prob: Probability that an image skips one of the two.
        norm_cfg: Normalisation of tokens.
        act_cfg: Activation of the MLP.
    """

    def __init__(
        self,
        arch: ViTArch,
        fused_attention: bool = True,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_cfg: dict = LN,
        act_cfg: dict = GELU,
    ) -> None:
        super().__init__()
        width = arch.embed_dims
        self.ln_1 = build_norm_layer(norm_cfg, width)[1]
        self.self_attention = SelfAttention(
            width, arch.num_heads, fused_attention, attention_dropout
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = build_norm_layer(norm_cfg, width)[1]
        self.mlp = nn.Sequential(
            nn.Linear(width, arch.mlp_dims),
            MODELS.build(act_cfg),
            nn.Dropout(dropout),
            nn.Linear(arch.mlp_dims, width),
            nn.Dropout(dropout),
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, 'row')
        for linear in (self.mlp[0], self.mlp[3]):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.normal_(linear.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        attended = self.dropout(self.self_attention(self.ln_1(x)))
        x = x + self.stochastic_depth(attended)
        return x + self.stochastic_depth(self.mlp(self.ln_2(x)))


class Encoder(nn.Module):
    """What comes after the patches, under torchvision's names; it has no forward.

    Args:
        num_patches: Patches of an image of the size that is embedded.
        blocks: The encoder blocks.
        embed_dims: D.
        dropout: Probability of dropout on the tokens.
        norm_cfg: Normalisation of tokens.
    """

    def __init__(
        self,
        num_patches: int,
        blocks: Sequence[EncoderBlock],
        embed_dims: int,
        dropout: float,
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, 1 + num_patches, embed_dims))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential()
        for i, block in enumerate(blocks):
            self.layers.add_module(f'encoder_layer_{i}', block)
        self.ln = build_norm_layer(norm_cfg, embed_dims)[1]
        nn.init.normal_(self.pos_embedding, std=0.02)


@MODELS.register_module()
class VisionTransformer(Backbone):
    """Vision Transformer without the classifier.

    Each encoder block is a stage; the embedding of the patches belongs to the
    first, the final norm to the last. From (B, in_channels, H, W) images each of
    ``out_indices`` gives, after its block,

    =========  ==================================  =============================
    pool       output                              for
    =========  ==================================  =============================
    None       (B, D, ceil(H / P), ceil(W / P))    detectors: the patches' tokens
    'token'    (B, D)                              classifiers: the class token
    'average'  (B, D)                              classifiers: the patches' mean
    =========  ==================================  =============================

    Images of any size are taken. Where P does not divide a side, zeros (the mean
    colour, after normalisation) are added on the right and below; they are seen as
    any other pixel. The position embedding, trained at ``img_size``, is resized to
    the patches of the image, see :func:`resize_position_embedding`. The class token
    takes part whatever ``pool`` is, so that the weights are the same.

    Args:
        arch: A key of ``arch_settings``, or the four of a :class:`ViTArch`.
        patch_size: P, in pixels.
        img_size: Side, or height and width, of the images that the position
            embedding is made for, in pixels.
        pool: See above.
        fused_attention: Whether attention is computed by torch's fused function;
            else it is written out, as a matrix that a hook on its ``softmax`` can
            see; see :class:`projects.core.layers.ScaledDotProductAttention`.
        dropout: Probability of dropout on tokens and after linear layers.
        attention_dropout: Probability that an attention weight is set to 0.
        stochastic_depth_prob: Probability that an image skips the halves of the
            last block; it rises evenly from 0 in the first.
        in_channels: Channels of the image.
        out_indices: Blocks whose outputs are returned; -1 is the last.
        trainable_stages: Train only so many of the last blocks, see
            :meth:`projects.core.layers.Backbone.freeze`; the embedding of classes,
            patches and positions is frozen with the first.
        conv_cfg: Layer in the place of ``nn.Conv2d``, which embeds the patches.
        norm_cfg: Normalisation of tokens.
        act_cfg: Activation of the MLPs.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; without
            one the weights begin as torchvision's.

    Raises:
        ValueError: If ``arch`` or ``pool`` is none of those above, an image of
            ``img_size`` has no patch, or if one of ``out_indices`` does not exist.
    """

    arch_settings = {
        'tiny': ViTArch(192, 12, 3, 768),  # DeiT, Table 1
        'small': ViTArch(384, 12, 6, 1536),
        'base': ViTArch(768, 12, 12, 3072),  # ViT, Table 1
        'large': ViTArch(1024, 24, 16, 4096),
    }

    def __init__(
        self,
        arch: str | tuple[int, int, int, int] = 'base',
        patch_size: int = 16,
        img_size: int | tuple[int, int] = 224,
        pool: str | None = None,
        fused_attention: bool = True,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = LN,
        act_cfg: dict = GELU,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if isinstance(arch, str) and arch not in self.arch_settings:
            raise ValueError(f"arch '{arch}' not in {list(self.arch_settings)}")
        if pool is not None and pool not in POOLS:
            raise ValueError(f"pool '{pool}' not in {list(POOLS)}, nor None")
        sizes = self.arch_settings[arch] if isinstance(arch, str) else ViTArch(*arch)
        self.patch_size = patch_size
        self.pool = pool
        height, width = (img_size,) * 2 if isinstance(img_size, int) else img_size
        if min(height, width, patch_size) < 1:
            raise ValueError(f'img_size {img_size}, patch_size {patch_size}: no patch')
        self.grid = self.token_grid(height, width)
        self.class_token = nn.Parameter(torch.zeros(1, 1, sizes.embed_dims))
        self.conv_proj = build_conv_layer(
            conv_cfg, in_channels, sizes.embed_dims, patch_size, stride=patch_size
        )
        last = max(1, sizes.num_blocks - 1)
        blocks = [
            EncoderBlock(
                sizes,
                fused_attention,
                dropout,
                attention_dropout,
                stochastic_depth_prob * i / last,
                norm_cfg,
                act_cfg,
            )
            for i in range(sizes.num_blocks)
        ]
        self.encoder = Encoder(
            self.grid[0] * self.grid[1], blocks, sizes.embed_dims, dropout, norm_cfg
        )
        fan_in = in_channels * patch_size**2
        nn.init.trunc_normal_(self.conv_proj.weight, std=fan_in**-0.5)
        nn.init.zeros_(self.conv_proj.bias)
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        first, *others = ([block] for block in self.encoder.layers)
        stages = [[self.conv_proj, self.encoder.dropout, *first], *others]
        stages[-1].append(self.encoder.ln)
        return stages

    def layer_groups(self) -> LayerGroups:
        """The embedding, then each block; the final norm is above them."""
        embedding = (self.class_token, self.encoder.pos_embedding, self.conv_proj)
        return (embedding, *((block,) for block in self.encoder.layers))

    def freeze(self, trainable_stages: int | None) -> None:
        super().freeze(trainable_stages)
        # of the first stage, and no modules
        for embedding in (self.class_token, self.encoder.pos_embedding):
            embedding.requires_grad_(self.num_frozen_stages == 0)

    @property
    def heat_map_layer(self) -> nn.Module:
        """Where a heat map is taken: the tokens that the last attention reads. After
        it the score of the class token depends on no patch any more."""
        return self.encoder.layers[self.out_indices[-1]].ln_1

    def token_grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the patches of an image of so many pixels."""
        return -(-height // self.patch_size), -(-width // self.patch_size)

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """(1, T, D), for so many rows and columns of patches."""
        if grid == self.grid:
            return self.encoder.pos_embedding
        return resize_position_embedding(self.encoder.pos_embedding, self.grid, grid)

    def embed(self, x: Tensor) -> Tensor:
        """Images (B, in_channels, H, W) as tokens (B, T, D) (Eq. 1)."""
        height, width = x.shape[-2:]
        below, right = -height % self.patch_size, -width % self.patch_size
        if below or right:
            x = F.pad(x, (0, right, 0, below))
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)
        return self.encoder.dropout(
            x + self.position_embedding(self.token_grid(height, width))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        grid = self.token_grid(*x.shape[-2:])
        x = self.embed(x)
        outs = []
        num_blocks = len(self.encoder.layers)
        for i, block in enumerate(
            islice(self.encoder.layers, self.out_indices[-1] + 1)
        ):
            x = block(x)
            if i == num_blocks - 1:
                x = self.encoder.ln(x)  # Eq. 4
            if i in self.out_indices:
                outs.append(self._output(x, grid))
        return tuple(outs)

    def _output(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        if self.pool == 'token':
            return x[:, 0]
        if self.pool == 'average':
            return x[:, 1:].mean(1)
        return x[:, 1:].transpose(1, 2).unflatten(2, grid)
