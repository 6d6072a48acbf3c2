"""Swin Transformer V2, after Liu et al., "Swin Transformer V2: Scaling Up Capacity
and Resolution", CVPR 2022, Sec. 3, https://arxiv.org/abs/2111.09883.

Legend: C channels, M side of a window in tokens, N = M * M tokens of a window, D
channels of a head. Differences from the paper: README, "Notes".
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from projects.registry import MODELS
from projects.swin.backbone import (
    PatchMerging,
    SwinBackbone,
    SwinBlock,
    WindowAttention,
)

MAX_LOGIT_SCALE = math.log(100)  # Sec. 3.2: tau is above 0.01


def log_spaced_offsets(window_size: int, pretrained_window_size: int) -> Tensor:
    """sign(x) log2(1 + |x|) / log2(8) of offsets x (Eq. 4).

    x is the offset by that of the pre-trained window's opposite sides, times 8:
    the factors are of the authors' code.

    Returns:
        Tensor: ((2M - 1)^2, 2), along rows and columns of the map.
    """
    steps = torch.arange(1.0 - window_size, window_size)
    steps = 8 * steps / max(1, pretrained_window_size - 1)
    steps = steps.sign() * (1 + steps.abs()).log2() / math.log2(8)
    return torch.cartesian_prod(steps, steps)


class CosineWindowAttention(WindowAttention):
    """softmax(cos(Q, K) / tau + B) V, B of a small network (Eq. 2 and 3).

    The network reads offsets, so that weights fit a window of any size.

    Args:
        embed_dims: C.
        num_heads: Heads.
        window_size: M.
        shifted: Whether the windows are shifted by M // 2.
        fused: See :class:`projects.core.layers.ScaledDotProductAttention`.
        key_bias: Whether the keys' bias is a part of the weights, as in
            torchvision. It is taken as 0 either way.
        pretrained_window_size: Window that the network was trained on.
    """

    relative_coords_table: Tensor

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        window_size: int,
        shifted: bool,
        fused: bool = True,
        key_bias: bool = True,
        pretrained_window_size: int | None = None,
    ) -> None:
        super().__init__(embed_dims, num_heads, window_size, shifted, fused, scale=1.0)
        self.logit_scale = nn.Parameter(torch.full((num_heads, 1, 1), math.log(10)))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, num_heads, False)
        )
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims, key_bias)
        self.key_bias = key_bias
        if not key_bias:
            self.q_bias = nn.Parameter(torch.zeros(embed_dims))
            self.v_bias = nn.Parameter(torch.zeros(embed_dims))
        self.register_buffer(
            'relative_coords_table',
            log_spaced_offsets(window_size, pretrained_window_size or window_size),
            persistent=False,
        )

    def project(self, x: Tensor) -> Tensor:
        if self.key_bias:
            query, _, value = self.qkv.bias.chunk(3)
        else:
            query, value = self.q_bias, self.v_bias
        bias = torch.cat([query, torch.zeros_like(query), value])
        return F.linear(x, self.qkv.weight, bias)

    def compare(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        scale = self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()
        query = F.normalize(query, dim=-1) * scale.to(query.dtype)
        return query, F.normalize(key, dim=-1)

    def position_bias(self) -> Tensor:
        table = 16 * self.cpb_mlp(self.relative_coords_table).sigmoid()
        return table.t()[:, self.relative_position_index]


class PostNormBlock(SwinBlock):
    """The norm is the last layer of each residual (Sec. 3.2)."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class PostNormPatchMerging(PatchMerging):
    """The norm follows the reduction."""

    def __init__(self, embed_dims: int, norm_cfg: dict) -> None:
        super().__init__(embed_dims, norm_cfg)
        self.norm = build_norm_layer(norm_cfg, 2 * embed_dims)[1]

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.reduction(self.join(x)))


@MODELS.register_module()
class SwinTransformerV2(SwinBackbone):
    """Swin Transformer V2 without the classifier.

    Stages, channels, blocks and heads are those of
    :class:`projects.swin.SwinTransformer`, of 256 pixels: 64, 32, 16 and 8 tokens.

    Args:
        arch: A key of ``arch_settings``, or channels of the first stage, blocks of
            each, heads of each.
        window_size: Tokens of a window's side; one for all or one per stage.
        fused_attention: Whether attention is computed by torch's fused function;
            else it is written out, see
            :class:`projects.core.layers.ScaledDotProductAttention`.
        key_bias: Whether a bias of the keys is a part of the weights, though
            taken as 0: torchvision's are so, the authors' and timm's are not.
        pretrained_window_size: Windows that the weights were trained on; one for
            all or one per stage. None for the same.
        **kwargs: Of :class:`projects.swin.backbone.SwinBackbone` but for its first
            two.

    Raises:
        ValueError: If there is no such ``arch``, if numbers for the stages are
            too few or too many, or if one of ``out_indices`` does not exist.
    """

    block = PostNormBlock
    merging = PostNormPatchMerging

    def __init__(
        self,
        arch: str | Sequence = 't',
        window_size: int | Sequence[int] = 8,
        fused_attention: bool = True,
        key_bias: bool = True,
        pretrained_window_size: int | Sequence[int] | None = None,
        **kwargs,
    ) -> None:
        arch = self.resolve_arch(arch)
        num = len(arch.depths)
        windows = self.per_stage('window_size', window_size, num)
        pretrained = self.per_stage(
            'pretrained_window_size', pretrained_window_size or windows, num
        )
        super().__init__(
            arch,
            [
                partial(
                    CosineWindowAttention,
                    window_size=side,
                    fused=fused_attention,
                    key_bias=key_bias,
                    pretrained_window_size=trained,
                )
                for side, trained in zip(windows, pretrained, strict=True)
            ],
            **kwargs,
        )
