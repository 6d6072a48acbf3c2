"""MobileViT, after Mehta and Rastegari, "MobileViT: Light-weight, General-purpose,
and Mobile-friendly Vision Transformer", ICLR 2022, Sec. 3 and Appendix A,
https://arxiv.org/abs/2110.02178.

Legend: B images, C channels, H and W in pixels of a map, p pixels along the side of
a patch, P = p * p pixels of a patch, N patches. Differences from the paper: README,
"Notes".
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmcv.cnn import build_activation_layer, build_conv_layer
from torch import Tensor, nn
from torch.nn.functional import interpolate

from projects.core.layers import Backbone, ConvNormAct, ScaledDotProductAttention
from projects.core.layers.backbone import LayerGroups, Stages
from projects.registry import MODELS

BN = dict(type='BN')
SILU = dict(type='SiLU')  # in place it would have to copy its input in training


def unfold(x: Tensor, patch_size: int) -> Tensor:
    """Pixels of a map by their place within a patch.

    A map is cut into N patches of P pixels; row by row, as are the pixels of a
    patch. Those with the same place, one of each patch, become a sequence.

    Args:
        x: (B, C, H, W).
        patch_size: p.

    Returns:
        (B * P, N, C): P sequences of N pixels for each image.

    Raises:
        ValueError: If H or W is not a multiple of p.
    """
    batch, channels, height, width = x.shape
    if height % patch_size or width % patch_size:
        raise ValueError(
            f'a map of {height} x {width} is not made of patches of {patch_size} x '
            f'{patch_size}'
        )
    rows, columns = height // patch_size, width // patch_size
    # a view: H becomes rows and pixels of a patch, W columns and pixels
    x = x.permute(0, 2, 3, 1).reshape(
        batch, rows, patch_size, columns, patch_size, channels
    )
    return x.permute(0, 2, 4, 1, 3, 5).reshape(
        batch * patch_size**2, rows * columns, channels
    )


def fold(sequences: Tensor, patch_size: int, size: Sequence[int]) -> Tensor:
    """The inverse of :func:`unfold`.

    Args:
        sequences: (B * P, N, C).
        patch_size: p.
        size: H and W, multiples of p with H * W = N * P.

    Returns:
        (B, C, H, W), channels-last in memory.
    """
    height, width = size
    rows, columns = height // patch_size, width // patch_size
    channels = sequences.shape[-1]
    batch = sequences.shape[0] // patch_size**2
    x = sequences.reshape(batch, patch_size, patch_size, rows, columns, channels)
    x = x.permute(0, 3, 1, 4, 2, 5).reshape(batch, height, width, channels)
    return x.permute(0, 3, 1, 2)


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """The map (B, C, H, W) at another size, bilinear; itself at its own."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return interpolate(x, size=tuple(size), mode='bilinear', align_corners=False)


def conv_bn_act(*args, **kwargs) -> nn.Sequential:
    """:class:`projects.core.layers.ConvNormAct` with timm's names of layers."""
    layers = ConvNormAct(*args, **kwargs)
    return nn.Sequential(
        OrderedDict(zip(('conv', 'bn', 'act'), layers, strict=False))  # or no act
    )


class InvertedResidual(nn.Module):
    """MobileNetV2's block, "MV2" in Fig. 1b: expand, filter each channel, project.

    Maps (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride),
    rounded up.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output; no activation follows them.
        stride: Of the depthwise convolution.
        expand_ratio: Channels of the depthwise convolution, as a multiple of
            ``in_channels``.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation after the first two.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        expand_ratio: int,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        hidden = in_channels * expand_ratio
        styles = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.conv1_1x1 = conv_bn_act(in_channels, hidden, 1, act_cfg=act_cfg, **styles)
        self.conv2_kxk = conv_bn_act(
            hidden, hidden, 3, stride, groups=hidden, act_cfg=act_cfg, **styles
        )
        self.conv3_1x1 = conv_bn_act(hidden, out_channels, 1, **styles)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv3_1x1(self.conv2_kxk(self.conv1_1x1(x)))
        if self.has_shortcut:
            out += x
        return out


class Attention(nn.Module):
    """Self-attention with several heads; (S, N, C) sequences to the same shape.

    Args:
        embed_dims: C.
        num_heads: Heads, among which the channels are divided.
        fused: Of :class:`projects.core.layers.ScaledDotProductAttention`.
    """

    def __init__(self, embed_dims: int, num_heads: int, fused: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims)
        self.attend = ScaledDotProductAttention(fused)
        self.proj = nn.Linear(embed_dims, embed_dims)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))
        # three of (S, heads, N, C / heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind()
        return self.proj(self.attend(query, key, value).transpose(1, 2).flatten(2))


class TransformerLayer(nn.Module):
    """Attention and a layer that takes each position by itself, with shortcuts.

    Maps (S, N, C) sequences to the same shape.

    Args:
        embed_dims: C.
        num_heads: Heads of the attention.
        fused: See :class:`Attention`.
        dropout: Probability of dropout before each addition.
        act_cfg: Activation.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        fused: bool,
        dropout: float,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dims)
        self.attn = Attention(embed_dims, num_heads, fused)
        self.norm2 = nn.LayerNorm(embed_dims)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(embed_dims, 2 * embed_dims),
                act=build_activation_layer(act_cfg),
                fc2=nn.Linear(2 * embed_dims, embed_dims),
            )
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attn(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))


class MobileViTBlock(nn.Module):
    """A convolution that sees the whole map (Sec. 3.1, Fig. 1b).

    A 3x3 convolution takes in a pixel's surroundings, then transformers connect
    each pixel to those with the same place in all other patches. As long as a patch
    is not wider than the convolution, no pixel of the map is left out.

    Maps (B, channels, H, W) to the same shape, for any H and W: where they are no
    multiples of the patch, the map is resized around the transformers.

    Args:
        channels: Channels of the map.
        embed_dims: Channels of the transformers.
        depth: Transformer layers.
        num_heads: Heads of the attention.
        patch_size: p.
        fused: See :class:`Attention`.
        dropout: See :class:`TransformerLayer`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution but the one before the
            transformers.
        act_cfg: Activation after these, and in the transformers.
    """

    def __init__(
        self,
        channels: int,
        embed_dims: int,
        depth: int,
        num_heads: int,
        patch_size: int,
        fused: bool,
        dropout: float,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        styles = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.patch_size = patch_size
        self.conv_kxk = conv_bn_act(channels, channels, 3, **styles)
        self.conv_1x1 = build_conv_layer(conv_cfg, channels, embed_dims, 1, bias=False)
        self.transformer = nn.Sequential(
            *(
                TransformerLayer(embed_dims, num_heads, fused, dropout, act_cfg)
                for _ in range(depth)
            )
        )
        self.norm = nn.LayerNorm(embed_dims)
        self.conv_proj = conv_bn_act(embed_dims, channels, 1, **styles)
        self.conv_fusion = conv_bn_act(2 * channels, channels, 3, **styles)

    def local_representation(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, embed_dims, H, W): pixels and their eight
        neighbours."""
        return self.conv_1x1(self.conv_kxk(x))

    def global_representation(self, x: Tensor) -> Tensor:
        """(B, embed_dims, H, W) to the same: unfold, transform, fold."""
        sides = x.shape[2:]
        multiple = [-(-side // self.patch_size) * self.patch_size for side in sides]
        x = unfold(resize(x, multiple), self.patch_size)
        x = self.norm(self.transformer(x))
        return resize(fold(x, self.patch_size, multiple), sides)

    def forward(self, x: Tensor) -> Tensor:
        out = self.global_representation(self.local_representation(x))
        return self.conv_fusion(torch.cat((x, self.conv_proj(out)), dim=1))


class Arch(NamedTuple):
    """Widths of a MobileViT (Table 4)."""

    expand_ratio: int  # of the inverted residuals
    channels: tuple[int, int, int, int, int]  # of the stages
    embed_dims: tuple[int, int, int]  # of the transformers of the last three
    last_channels: int


@MODELS.register_module()
class MobileViT(Backbone):
    """MobileViT without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``;
    channels of 'xxs', 'xs' and 's':

    =====  ================================  =============  ======  ===========
    index  layers (Table 4)                  channels       of 256  transformers
    =====  ================================  =============  ======  ===========
    0      3x3 convolution, residual         16, 32, 32     128
    1      three inverted residuals          24, 48, 64     64
    2      inverted residual, MobileViT      48, 64, 96     32      2
    3      the same                          64, 80, 128    16      4
    4      the same, then 1x1 convolution    320, 384, 640  8       3
    =====  ================================  =============  ======  ===========

    Names of weights are timm's.

    Args:
        arch: A key of ``arch_settings``, or values as there.
        patch_size: Side of a patch in the last three stages; one for all where it
            is a number.
        num_heads: Heads of the attention.
        fused_attention: Whether attention is computed by torch's fused function;
            else it is written out, see
            :class:`projects.core.layers.ScaledDotProductAttention`.
        dropout: Probability of dropout before the additions of a transformer.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after convolutions.
        act_cfg: Activation.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is that of the authors' code.

    Raises:
        ValueError: If there is no such ``arch``, or one of other stages; if the
            heads do not divide the channels of the transformers; if there are not
            three patch sizes above 0; if one of ``out_indices`` does not exist.
    """

    arch_settings = {
        'xxs': Arch(2, (16, 24, 48, 64, 80), (64, 80, 96), 320),
        'xs': Arch(4, (32, 48, 64, 80, 96), (96, 120, 144), 384),
        's': Arch(4, (32, 64, 96, 128, 160), (144, 192, 240), 640),
    }
    stem_channels = 16
    num_residuals = (1, 3, 1, 1, 1)  # of the stages; all but the first begin by halving
    depths = (2, 4, 3)  # transformer layers of the last three

    def __init__(
        self,
        arch: str | Sequence = 's',
        patch_size: int | Sequence[int] = 2,
        num_heads: int = 4,
        fused_attention: bool = True,
        dropout: float = 0.0,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
        act_cfg: dict = SILU,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg
            or [
                dict(type='Kaiming', layer='Conv2d'),  # fan_out, normal
                dict(type='TruncNormal', layer='Linear', std=0.02),
                dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
            ]
        )
        if isinstance(arch, str):
            if arch not in self.arch_settings:
                raise ValueError(f'arch {arch!r} not in {set(self.arch_settings)}')
            arch = self.arch_settings[arch]
        expand_ratio, widths, embed_dims, last_channels = arch
        if (len(widths), len(embed_dims)) != (
            len(self.num_residuals),
            len(self.depths),
        ):
            raise ValueError(
                f'arch {tuple(arch)}: there are {len(self.num_residuals)} stages, '
                f'{len(self.depths)} of them with transformers'
            )
        if any(dims % num_heads for dims in embed_dims):
            raise ValueError(
                f'num_heads {num_heads} does not divide the channels of the '
                f'transformers, {tuple(embed_dims)}'
            )
        if isinstance(patch_size, int):
            patch_size = (patch_size,) * len(self.depths)
        if len(patch_size) != len(self.depths):
            raise ValueError(
                f'patch_size {tuple(patch_size)}: {len(self.depths)} stages have '
                'patches'
            )
        if min(patch_size) < 1:
            raise ValueError(f'patch_size {min(patch_size)}: at least 1 pixel')
        styles = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        channels = self.stem_channels
        self.stem = conv_bn_act(in_channels, channels, 3, 2, **styles)
        self.stages = nn.Sequential()
        for i, (width, num) in enumerate(zip(widths, self.num_residuals, strict=True)):
            stage = nn.Sequential()
            for j in range(num):
                stride = 2 if i > 0 and j == 0 else 1
                stage.append(
                    InvertedResidual(channels, width, stride, expand_ratio, **styles)
                )
                channels = width
            if (k := i - 2) >= 0:
                stage.append(
                    MobileViTBlock(
                        width,
                        embed_dims[k],
                        self.depths[k],
                        num_heads,
                        patch_size[k],
                        fused_attention,
                        dropout,
                        **styles,
                    )
                )
            self.stages.append(stage)
        self.final_conv = conv_bn_act(channels, last_channels, 1, **styles)
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        first, *others, last = self.stages
        return (
            (self.stem, first),
            *((stage,) for stage in others),
            (last, self.final_conv),
        )

    def layer_groups(self) -> LayerGroups:
        """A group for each inverted residual and transformer layer, for what is
        before and after the transformers of a block, the stem, the last layer."""
        groups = [[self.stem]]
        for stage in self.stages:
            for block in stage:
                if isinstance(block, InvertedResidual):
                    groups.append([block])
                    continue
                groups.append([block.conv_kxk, block.conv_1x1])
                groups += [[layer] for layer in block.transformer]
                groups.append([block.norm, block.conv_proj, block.conv_fusion])
        return [*groups, [self.final_conv]]
