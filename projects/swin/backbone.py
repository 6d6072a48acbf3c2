"""What both versions of Swin have in common: attention within windows, stages.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted
Windows", ICCV 2021, Sec. 3, https://arxiv.org/abs/2103.14030.

Legend: B images, H and W in tokens, C channels, M side of a window in tokens, N =
M * M tokens of a window, D channels of a head.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import torch.nn.functional as F
from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import Tensor, nn
from torchvision.ops import MLP, Permute

from projects.core.layers import Backbone, ScaledDotProductAttention, StochasticDepth
from projects.core.layers.backbone import LayerGroups, Stages
from projects.swin.windows import (
    relative_position_index,
    shift_mask,
    window_partition,
    window_reverse,
)

LN = dict(type='LN')
GELU = dict(type='GELU')


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, shifted or not (Sec. 3.2).

    Maps (B, H, W, C) to the same shape. The map is padded to whole windows with
    zeros below and to the right, which take part. An axis that fits into one
    window is not shifted. What a version adds is in the three methods that
    follow the constructor.

    Args:
        embed_dims: C.
        num_heads: Heads; C / D.
        window_size: M.
        shifted: Whether the windows are shifted by M // 2.
        fused: See :class:`projects.core.layers.ScaledDotProductAttention`.
        scale: The same.
    """

    relative_position_index: Tensor

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        window_size: int,
        shifted: bool,
        fused: bool = True,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.window_size = window_size
        self.shift = window_size // 2 if shifted else 0
        self.attention = ScaledDotProductAttention(fused, scale=scale)
        self.proj = nn.Linear(embed_dims, embed_dims)
        # of the window's size alone: no part of a checkpoint
        self.register_buffer(
            'relative_position_index',
            relative_position_index(window_size),
            persistent=False,
        )

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values, (..., C) to (..., 3C)."""
        raise NotImplementedError

    def compare(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """What is done to (..., heads, N, D) before their products."""
        raise NotImplementedError

    def position_bias(self) -> Tensor:
        """(heads, N, N): what is added to the scores."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        side = self.window_size
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        size = (x.shape[1], x.shape[2])
        shifts = tuple(self.shift if side < extent else 0 for extent in size)
        mask = None
        if any(shifts):
            # the first rows go below the last: windows are then cut as ever
            x = x.roll((-shifts[0], -shifts[1]), (1, 2))
            mask = shift_mask(size, side, shifts, x.device, x.dtype)
        x = self.attend(window_partition(x, side), mask)
        x = window_reverse(x, side, size[0])
        if any(shifts):
            x = x.roll(shifts, (1, 2))
        return x[:, :height, :width].contiguous()

    def attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attention in each window: (B, windows, N, C), the mask (windows, N, N)."""
        batch, num_windows, tokens, channels = x.shape
        heads = (self.num_heads, channels // self.num_heads)
        qkv = self.project(x).view(batch, num_windows, tokens, 3, *heads)
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).unbind()
        query, key = self.compare(query, key)
        bias = self.position_bias().to(query.dtype)
        # four dimensions, for the fused kernels: each window is an image, or, with
        # a mask, each of its heads is a head of the image's
        joined = (0, 1)
        if mask is not None:
            bias = (bias + mask.to(query.dtype)[:, None]).flatten(0, 1)
            joined = (1, 2)
        out = self.attention(
            *(part.flatten(*joined) for part in (query, key, value)), bias[None]
        )
        out = out.reshape(batch, num_windows, heads[0], tokens, heads[1])
        return self.proj(out.transpose(2, 3).flatten(3))


class SwinBlock(nn.Module):
    """Attention, then an MLP, each a residual; maps (B, H, W, C) to the same.

    Args:
        attn: Attention.
        embed_dims: C.
        mlp_ratio: Width of the MLP by C.
        stochastic_depth_prob: Probability that an image loses a residual.
        norm_cfg: Normalisation of the last dimension.
        act_cfg: Activation of the MLP.
    """

    def __init__(
        self,
        attn: WindowAttention,
        embed_dims: int,
        mlp_ratio: float,
        stochastic_depth_prob: float,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        self.norm1 = build_norm_layer(norm_cfg, embed_dims)[1]
        self.attn = attn
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, 'row')
        self.norm2 = build_norm_layer(norm_cfg, embed_dims)[1]
        self.mlp = MLP(
            embed_dims,
            [int(embed_dims * mlp_ratio), embed_dims],
            activation_layer=partial(build_activation_layer, act_cfg),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class PatchMerging(nn.Module):
    """Joins 2 x 2 tokens: (B, H, W, C) to (B, H / 2, W / 2, 2C), rounded up.

    Odd sides are padded with zeros. The channels of the four are in the order of
    the authors: (0, 0), (1, 0), (0, 1), (1, 1), row and column.

    Args:
        embed_dims: C.
        norm_cfg: Normalisation of the four together.
    """

    def __init__(self, embed_dims: int, norm_cfg: dict) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * embed_dims, 2 * embed_dims, bias=False)
        self.norm = build_norm_layer(norm_cfg, 4 * embed_dims)[1]

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(self.norm(self.join(x)))

    @staticmethod
    def join(x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H / 2, W / 2, 4C)."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
        return x.permute(0, 1, 3, 4, 2, 5).flatten(3)


class Arch(NamedTuple):
    """Channels of the first stage, and of each stage its blocks and heads."""

    embed_dims: int
    depths: Sequence[int]
    num_heads: Sequence[int]


class SwinBackbone(Backbone):
    """Patches, then stages of blocks with patch merging between them.

    Maps (B, in_channels, H, W) images to one map (B, C, h, w) per index of
    ``out_indices``; C is ``embed_dims`` and doubles, h and w are H and W divided
    by ``patch_size``, rounded down, and halve, rounded up. Any size will do.

    In a classifier, the last map alone is normalised, by ``norm``. A detector
    reads several maps, of which each residual has made its own scale:
    ``out_norms`` normalises all.

    The names of the weights are torchvision's. The groups of layer-wise
    decay are the patch embedding, then each block; patch merging is in the group
    of the block that follows it.

    Args:
        arch: A key of ``arch_settings``, or an :class:`Arch`.
        attentions: Of each stage, what builds the attention of a block from
            ``embed_dims``, ``num_heads`` and ``shifted``.
        patch_size: Pixels of a token's side.
        mlp_ratio: Width of the MLPs by C.
        stochastic_depth_prob: Probability that an image loses a residual of the
            last block; it grows linearly from 0 in the first.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        out_norms: Whether each map that is returned has a norm of its own.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d`` in the patch embedding.
        norm_cfg: Normalisation of the last dimension of (B, h, w, C).
        act_cfg: Activation in the MLPs.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torchvision's.

    Raises:
        ValueError: If one of ``out_indices`` does not exist.
    """

    # Sec. 3.3
    arch_settings = {
        't': Arch(96, (2, 2, 6, 2), (3, 6, 12, 24)),
        's': Arch(96, (2, 2, 18, 2), (3, 6, 12, 24)),
        'b': Arch(128, (2, 2, 18, 2), (4, 8, 16, 32)),
        'l': Arch(192, (2, 2, 18, 2), (6, 12, 24, 48)),
    }
    block = SwinBlock
    merging = PatchMerging

    def __init__(
        self,
        arch: Arch,
        attentions: Sequence[Callable[..., WindowAttention]],
        patch_size: int = 4,
        mlp_ratio: float = 4.0,
        stochastic_depth_prob: float = 0.2,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        out_norms: bool = False,
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = LN,
        act_cfg: dict = GELU,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='TruncNormal', layer='Linear', std=0.02))
        embed_dims, depths, num_heads = arch
        features: list[nn.Module] = [
            nn.Sequential(
                build_conv_layer(
                    conv_cfg, in_channels, embed_dims, patch_size, patch_size
                ),
                Permute([0, 2, 3, 1]),  # channels last from here on
                build_norm_layer(norm_cfg, embed_dims)[1],
            )
        ]
        last = max(1, sum(depths) - 1)
        starts = (0, *accumulate(depths))
        for i, (depth, attention) in enumerate(zip(depths, attentions, strict=True)):
            dims = embed_dims * 2**i
            if i > 0:
                features.append(self.merging(dims // 2, norm_cfg))
            features.append(
                nn.Sequential(
                    *(
                        self.block(
                            attention(dims, num_heads[i], shifted=j % 2 == 1),
                            dims,
                            mlp_ratio,
                            stochastic_depth_prob * (starts[i] + j) / last,
                            norm_cfg,
                            act_cfg,
                        )
                        for j in range(depth)
                    )
                )
            )
        self.features = nn.Sequential(*features)
        self.norm = build_norm_layer(norm_cfg, dims)[1]
        if out_norms:
            for i in self.resolve_indices(out_indices, len(depths)):
                if i < len(depths) - 1:
                    norm = build_norm_layer(norm_cfg, embed_dims * 2**i)[1]
                    self.add_module(f'norm{i}', norm)
        self.select_stages(out_indices, trainable_stages)

    @classmethod
    def resolve_arch(cls, arch: str | Sequence) -> Arch:
        """``arch`` of the constructor, written out.

        Raises:
            ValueError: If it is no key of ``arch_settings``, or its stages differ.
        """
        if isinstance(arch, str):
            if arch not in cls.arch_settings:
                raise ValueError(f"arch '{arch}' not in {list(cls.arch_settings)}")
            return cls.arch_settings[arch]
        arch = Arch(*arch)
        if len(arch.depths) != len(arch.num_heads):
            raise ValueError(
                f'arch: {len(arch.depths)} depths for {len(arch.num_heads)} num_heads'
            )
        for i, num_heads in enumerate(arch.num_heads):
            if (arch.embed_dims * 2**i) % num_heads:
                raise ValueError(
                    f'arch: {arch.embed_dims * 2**i} channels of stage {i} are not '
                    f'divisible by its {num_heads} heads'
                )
        return arch

    @staticmethod
    def per_stage(name: str, value: int | Sequence[int], num: int) -> Sequence[int]:
        """One number for each stage.

        Raises:
            ValueError: If there are fewer or more, or one is below 1.
        """
        values = (value,) * num if isinstance(value, int) else tuple(value)
        if len(values) != num or min(values) < 1:
            raise ValueError(f'{name} {value}: one number above 0, or {num} of them')
        return values

    def out_norm(self, stage: int) -> nn.Module | None:
        """The norm of a stage's map, if it has one."""
        is_last = stage == len(self.features) // 2 - 1
        return self.norm if is_last else getattr(self, f'norm{stage}', None)

    def stage_modules(self) -> Stages:
        """Patch embedding or merging, blocks, and the norm of the map."""
        return [
            [
                *self.features[start : start + 2],
                *filter(None, [self.out_norm(start // 2)]),
            ]
            for start in range(0, len(self.features), 2)
        ]

    def layer_groups(self) -> LayerGroups:
        groups = [[self.features[0]]]
        for start in range(0, len(self.features), 2):
            for i, block in enumerate(self.features[start + 1]):
                merging = [self.features[start]] if i == 0 and start else []
                groups.append([*merging, block])
        return groups

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outs = []
        for i in range(self.out_indices[-1] + 1):
            x = self.features[2 * i : 2 * i + 2](x)
            if i in self.out_indices:
                norm = self.out_norm(i)
                out = x if norm is None else norm(x)
                outs.append(out.permute(0, 3, 1, 2))  # (B, C, h, w), strides as before
        return tuple(outs)
