"""MBConv, and a backbone that is stages of it: EfficientNet and EfficientNetV2.

MBConv is the inverted residual of Sandler et al., "MobileNetV2", CVPR 2018, Sec.
3.3, https://arxiv.org/abs/1801.04381, with the squeeze-and-excitation of Hu et al.,
CVPR 2018, https://arxiv.org/abs/1709.01507; blocks are dropped as in Huang et al.,
"Deep Networks with Stochastic Depth", ECCV 2016, https://arxiv.org/abs/1603.09382.

Legend: B images, C channels, H and W in pixels.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from mmcv.cnn import build_activation_layer
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation, StochasticDepth

from projects.core.layers.backbone import Backbone, Stages
from projects.core.layers.conv_norm_act import ConvNormAct

BN = dict(type='BN')
SILU = dict(type='SiLU')  # in place it would have to copy its input in training


class StochasticResidual(nn.Module):
    """block(x) + x, where x has the shape of block(x); else block(x).

    In training, images lose their block(x) at random, each for itself; for the
    others it is enlarged, so that the expected value stays.

    Args:
        block: Layers of the residual.
        has_shortcut: Whether x is added.
        stochastic_depth_prob: Probability that an image loses block(x).
    """

    def __init__(
        self, block: nn.Sequential, has_shortcut: bool, stochastic_depth_prob: float
    ) -> None:
        super().__init__()
        self.block = block
        self.has_shortcut = has_shortcut
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, 'row')

    def forward(self, x: Tensor) -> Tensor:
        out = self.block(x)
        if self.has_shortcut:
            out = self.stochastic_depth(out)
            out += x
        return out


class MBConv(StochasticResidual):
    """1x1 expansion, depthwise convolution, squeeze-excitation, 1x1 projection.

    Maps (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride),
    rounded up. The names of the weights are torchvision's.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of the output; no activation follows them.
        kernel_size: Of the depthwise convolution.
        stride: Of the depthwise convolution.
        expand_ratio: Channels of the depthwise convolution, as a multiple of
            ``in_channels``; at 1 there is no expansion layer.
        stochastic_depth_prob: Probability that an image loses the residual.
        conv_cfg: Layer in the place of ``nn.Conv2d``, but for the two of
            squeeze-excitation.
        norm_cfg: Normalisation after each of these convolutions.
        act_cfg: Activation after all but the last.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        expand_ratio: int,
        stochastic_depth_prob: float = 0.0,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
        act_cfg: dict = SILU,
    ) -> None:
        width = in_channels * expand_ratio
        conv = partial(ConvNormAct, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(conv(in_channels, width, 1, act_cfg=act_cfg))
        layers += [
            conv(width, width, kernel_size, stride, groups=width, act_cfg=act_cfg),
            SqueezeExcitation(
                width,
                # a quarter of the block's input, not of the expanded channels
                max(1, in_channels // 4),
                activation=partial(build_activation_layer, act_cfg),
            ),
            conv(width, out_channels, 1),
        ]
        super().__init__(
            nn.Sequential(*layers),
            stride == 1 and in_channels == out_channels,
            stochastic_depth_prob,
        )


class MBConvStage(NamedTuple):
    """Blocks of one kind: the first has the stride, all have the same width."""

    block: type[StochasticResidual]
    expand_ratio: int
    kernel_size: int
    stride: int
    channels: int
    num_blocks: int


class MBConvBackbone(Backbone):
    """A 3x3 convolution of stride 2, stages of blocks, a 1x1 convolution.

    ``features`` holds them in this order, as torchvision's ``EfficientNet``. Blocks
    that do not halve the map belong to the same stage of the backbone as those
    before them; the last convolution is a stage of its own.

    Args:
        stem_channels: Channels of the 3x3 convolution.
        stages: Blocks.
        last_channels: Channels of the 1x1 convolution.
        stochastic_depth_prob: Probability that an image loses a block's
            residual, of the block that would follow the last: it grows linearly
            from 0 in the first.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``, but for those of
            squeeze-excitation.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torchvision's.

    Raises:
        ValueError: If one of ``out_indices`` does not exist.
    """

    def __init__(
        self,
        stem_channels: int,
        stages: Sequence[MBConvStage],
        last_channels: int,
        stochastic_depth_prob: float = 0.2,
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
                dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
            ]
        )
        layers = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        features = [ConvNormAct(in_channels, stem_channels, 3, 2, **layers)]
        total, index, before = sum(s.num_blocks for s in stages), 0, stem_channels
        for stage in stages:
            blocks = []
            for i in range(stage.num_blocks):
                blocks.append(
                    stage.block(
                        before,
                        stage.channels,
                        stage.kernel_size,
                        stage.stride if i == 0 else 1,
                        stage.expand_ratio,
                        stochastic_depth_prob * index / total,
                        **layers,
                    )
                )
                before, index = stage.channels, index + 1
            features.append(nn.Sequential(*blocks))
        features.append(ConvNormAct(before, last_channels, 1, **layers))
        self.features = nn.Sequential(*features)
        halving = [i for i, stage in enumerate(stages, start=1) if stage.stride > 1]
        self._starts = (0, *halving, len(features) - 1, len(features))
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        layers = list(self.features)
        return tuple(layers[i:j] for i, j in pairwise(self._starts))
