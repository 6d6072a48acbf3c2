"""ConvNeXt, after Liu et al., "A ConvNet for the 2020s", CVPR 2022, Sec. 2 and
Appendix A, https://arxiv.org/abs/2201.03545.

Legend: B images, C channels, H and W in pixels. Differences from the paper:
README, "Notes".
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import Tensor, nn
from torchvision.models.convnext import LayerNorm2d
from torchvision.ops import Permute

from projects.core.layers import Backbone, StochasticDepth
from projects.core.layers.backbone import LayerGroups, Stages
from projects.registry import MODELS

# nn.LayerNorm over C of (B, C, H, W). mmpretrain's LN2d gives the same but copies
# a channels-last map back to channels-first.
MODELS.register_module('LayerNorm2d', module=LayerNorm2d)

LN = dict(type='projects.LayerNorm2d', eps=1e-6)
GELU = dict(type='GELU')
FORMS = ('linear', 'conv')  # of pointwise layers


class PointwiseConv(nn.Linear):
    """A linear layer at every pixel, computed as a 1x1 convolution.

    Maps (B, in_features, H, W) to (B, out_features, H, W). The weight is a linear
    layer's, (out_features, in_features), so that one file fits both forms.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight[:, :, None, None], self.bias)


class ConvNeXtBlock(nn.Module):
    """x + layer_scale * residual(x) (Fig. 4, right).

    The residual is a depthwise convolution, a norm, and two pointwise layers, four
    times as wide between them, with the block's one activation. Maps (B, C, H, W) to
    the same. The names of the weights are torchvision's, where 1 and 6 are the
    permutations.

    Args:
        channels: C.
        layer_scale: First value of the factors, one for each channel.
        stochastic_depth_prob: Probability that an image loses the residual.
        kernel_size: Of the depthwise convolution.
        pointwise: See :class:`ConvNeXt`, as the others.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation.
        act_cfg: Activation.
    """

    def __init__(
        self,
        channels: int,
        layer_scale: float,
        stochastic_depth_prob: float,
        kernel_size: int,
        pointwise: str,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        conv = build_conv_layer(
            conv_cfg,
            channels,
            channels,
            kernel_size,
            padding=kernel_size // 2,
            groups=channels,
        )
        norm = build_norm_layer(norm_cfg, channels)[1]
        act, wide = build_activation_layer(act_cfg), 4 * channels
        if pointwise == 'linear':
            # The map is channels-last after the norm: both permutations change its
            # strides alone. Between them it is contiguous, for which torch's GELU on
            # a CPU is faster.
            layers = (
                ('0', conv),
                ('2', norm),
                ('to_channels_last', Permute([0, 2, 3, 1])),
                ('3', nn.Linear(channels, wide)),
                ('4', act),
                ('5', nn.Linear(wide, channels)),
                ('to_channels_first', Permute([0, 3, 1, 2])),
            )
        else:
            layers = (
                ('0', conv),
                ('2', norm),
                ('3', PointwiseConv(channels, wide)),
                ('4', act),
                ('5', PointwiseConv(wide, channels)),
            )
        self.block = nn.Sequential(OrderedDict(layers))
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), layer_scale))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, 'row')

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer_scale * self.block(x)
        out = self.stochastic_depth(out)
        out += x  # in the memory format of the residual, which is channels-last
        return out


@MODELS.register_module()
class ConvNeXt(Backbone):
    """ConvNeXt without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``;
    channels and blocks of Tiny:

    =====  =====================================  ========  =======  ======
    index  layers (Table 9)                       channels  of 224   blocks
    =====  =====================================  ========  =======  ======
    0      4x4 convolution of stride 4, norm      96        56       3
    1      norm, 2x2 convolution of stride 2      192       28       3
    2      norm, 2x2 convolution of stride 2      384       14       9
    3      norm, 2x2 convolution of stride 2      768       7        3
    =====  =====================================  ========  =======  ======

    Sides are rounded down: what is left of an image beside whole patches is not
    seen.

    Args:
        arch: A key of ``arch_settings``, or channels and blocks of the stages.
        stochastic_depth_prob: Probability that an image loses the residual of the
            last block; it grows linearly from 0 in the first.
        layer_scale: First value of the factors of each residual's channels.
        kernel_size: Of the depthwise convolutions, odd.
        pointwise: How a block's pointwise layers are computed, with the same
            weights: 'linear', on the map with its channels last, or 'conv', as 1x1
            convolutions. The faster one on a CPU is 'linear' (README, "Two forms of
            a block").
        out_norms: Whether each map that is returned is normalised, by a layer
            ``norm0`` to ``norm3``, as for detectors. A classifier has its norm after
            the pooling, in the head.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``, but for the pointwise ones.
        norm_cfg: Normalisation.
        act_cfg: Activation.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is the paper's and torchvision's.

    Raises:
        ValueError: If ``arch`` is not in ``arch_settings`` or has not four stages,
            ``pointwise`` is not one of the two, or if one of ``out_indices`` does
            not exist.
    """

    arch_settings = {  # channels and blocks of the stages (Sec. 3)
        'tiny': ((96, 192, 384, 768), (3, 3, 9, 3)),
        'small': ((96, 192, 384, 768), (3, 3, 27, 3)),
        'base': ((128, 256, 512, 1024), (3, 3, 27, 3)),
        'large': ((192, 384, 768, 1536), (3, 3, 27, 3)),
        'xlarge': ((256, 512, 1024, 2048), (3, 3, 27, 3)),
    }

    def __init__(
        self,
        arch: str | tuple[Sequence[int], Sequence[int]] = 'tiny',
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        kernel_size: int = 7,
        pointwise: str = 'linear',
        out_norms: bool = False,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = LN,
        act_cfg: dict = GELU,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg
            or dict(type='TruncNormal', layer=['Conv2d', 'Linear'], std=0.02, bias=0.0)
        )
        if isinstance(arch, str):
            if arch not in self.arch_settings:
                raise ValueError(f"arch '{arch}' not in {list(self.arch_settings)}")
            arch = self.arch_settings[arch]
        if pointwise not in FORMS:
            raise ValueError(f"pointwise '{pointwise}' not in {list(FORMS)}")
        channels, depths = arch
        if not len(channels) == len(depths) == 4:
            raise ValueError(f'arch {arch}: ConvNeXt has four stages')
        total, index = sum(depths), 0
        features: list[nn.Module] = []
        for i, (width, depth) in enumerate(zip(channels, depths, strict=True)):
            before, patch = (in_channels, 4) if i == 0 else (channels[i - 1], 2)
            norm = build_norm_layer(norm_cfg, width if i == 0 else before)[1]
            conv = build_conv_layer(conv_cfg, before, width, patch, stride=patch)
            features.append(nn.Sequential(*((conv, norm) if i == 0 else (norm, conv))))
            blocks = []
            for _ in range(depth):
                blocks.append(
                    ConvNeXtBlock(
                        width,
                        layer_scale,
                        stochastic_depth_prob * index / max(1, total - 1),
                        kernel_size,
                        pointwise,
                        conv_cfg,
                        norm_cfg,
                        act_cfg,
                    )
                )
                index += 1
            features.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*features)
        self.select_stages(out_indices, trainable_stages)
        self.out_norms = out_norms
        if out_norms:
            for i in self.out_indices:
                self.add_module(f'norm{i}', build_norm_layer(norm_cfg, channels[i])[1])

    def stage_modules(self) -> Stages:
        layers = list(self.features)
        return tuple(layers[i : i + 2] for i in range(0, len(layers), 2))

    def layer_groups(self) -> LayerGroups:
        """The authors': three blocks of the long stage share a rate, the last
        stage has one, and so have each of the others.

        ``[stem] [stage 1] [downsampling 2, stage 2] [downsampling 3, blocks 0 to 2]
        [blocks 3 to 5] ... [downsampling 4, stage 4]``: 7 for Tiny, 13 for the
        others, which are the groups 0 to 6 and 0 to 12 of the paper's code.
        """
        stem, *(stage1, down2, stage2, down3, stage3, down4, stage4) = self.features
        return (
            (stem,),
            (stage1,),
            (down2, stage2),
            (down3, *stage3[:3]),
            *(stage3[i : i + 3] for i in range(3, len(stage3), 3)),
            (down4, stage4),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outs = super().forward(x)
        if not self.out_norms:
            return outs
        return tuple(
            getattr(self, f'norm{i}')(out)
            for i, out in zip(self.out_indices, outs, strict=True)
        )
