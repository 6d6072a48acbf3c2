"""Swin Transformer, after Liu et al., "Swin Transformer: Hierarchical Vision
Transformer using Shifted Windows", ICCV 2021, Sec. 3,
https://arxiv.org/abs/2103.14030.

Legend: C channels, M side of a window in tokens, N = M * M tokens of a window, D
channels of a head. Differences from the paper: README, "Notes".
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from projects.registry import MODELS
from projects.swin.backbone import SwinBackbone, WindowAttention


class BiasedWindowAttention(WindowAttention):
    """softmax(QK^T / sqrt(D) + B) V, B by the offset of two tokens (Eq. 4).

    Args:
        embed_dims: C.
        num_heads: Heads.
        window_size: M.
        shifted: Whether the windows are shifted by M // 2.
        fused: See :class:`projects.core.layers.ScaledDotProductAttention`.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        window_size: int,
        shifted: bool,
        fused: bool = True,
    ) -> None:
        super().__init__(embed_dims, num_heads, window_size, shifted, fused)
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims)
        # a row for each offset, a column for each head
        table = torch.empty((2 * window_size - 1) ** 2, num_heads)
        self.relative_position_bias_table = nn.Parameter(table)
        nn.init.trunc_normal_(table, std=0.02)

    def project(self, x: Tensor) -> Tensor:
        return self.qkv(x)

    def compare(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return query, key

    def position_bias(self) -> Tensor:
        return self.relative_position_bias_table.t()[:, self.relative_position_index]


@MODELS.register_module()
class SwinTransformer(SwinBackbone):
    """Swin Transformer without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``; of
    Swin-T:

    =====  ================================  ========  =======  ======  =====
    index  layers                            channels  of 224   blocks  heads
    =====  ================================  ========  =======  ======  =====
    0      4x4 patches, blocks               96        56       2       3
    1      patch merging, blocks             192       28       2       6
    2      the same                          384       14       6       12
    3      the same                          768       7        2       24
    =====  ================================  ========  =======  ======  =====

    Args:
        arch: A key of ``arch_settings``, or channels of the first stage, blocks of
            each, heads of each.
        window_size: Tokens of a window's side; one for all or one per stage.
        fused_attention: Whether attention is computed by torch's fused function;
            else it is written out, see
            :class:`projects.core.layers.ScaledDotProductAttention`.
        **kwargs: Of :class:`projects.swin.backbone.SwinBackbone` but for its first
            two.

    Raises:
        ValueError: If there is no such ``arch``, if numbers for the stages are
            too few or too many, or if one of ``out_indices`` does not exist.
    """

    def __init__(
        self,
        arch: str | Sequence = 't',
        window_size: int | Sequence[int] = 7,
        fused_attention: bool = True,
        **kwargs,
    ) -> None:
        arch = self.resolve_arch(arch)
        windows = self.per_stage('window_size', window_size, len(arch.depths))
        super().__init__(
            arch,
            [
                partial(BiasedWindowAttention, window_size=side, fused=fused_attention)
                for side in windows
            ],
            **kwargs,
        )
