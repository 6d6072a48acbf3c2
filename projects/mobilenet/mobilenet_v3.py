"""MobileNetV3, after Howard et al., "Searching for MobileNetV3", ICCV 2019,
Sec. 5 and Tables 1 and 2, https://arxiv.org/abs/1905.02244.

Legend: B images, C channels, H and W in pixels. Differences from the paper:
README, "Notes".
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from projects.core.layers import (
    Backbone,
    ConvNormAct,
    SqueezeExcitation,
    make_divisible,
)
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

# statistics of some hundred steps, not of ten
BN = dict(type='BN', eps=0.001, momentum=0.01)
RELU = dict(type='ReLU', inplace=True)
HSWISH = dict(type='HSwish', inplace=True)


class InvertedResidual(nn.Module):
    """MobileNetV2's block with squeeze-excitation (Fig. 4).

    Maps (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride),
    rounded up.

    Args:
        in_channels: Channels of the input.
        hidden: Channels between the ends ("exp size"); the first convolution
            is left out where they are those of the input.
        out_channels: Channels of the output.
        kernel_size: Of the depthwise convolution.
        stride: The same.
        use_se: Whether squeeze-excitation, to a quarter of the channels,
            follows it.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation after the first two convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        use_se: bool,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        styles = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        layers: list[nn.Module] = []
        if hidden != in_channels:
            layers.append(
                ConvNormAct(in_channels, hidden, 1, act_cfg=act_cfg, **styles)
            )
        layers.append(
            ConvNormAct(
                hidden,
                hidden,
                kernel_size,
                stride,
                groups=hidden,
                act_cfg=act_cfg,
                **styles,
            )
        )
        if use_se:
            layers.append(
                SqueezeExcitation(
                    hidden,
                    make_divisible(hidden // 4),
                    scale_activation=nn.Hardsigmoid,
                )
            )
        layers.append(ConvNormAct(hidden, out_channels, 1, **styles))
        self.block = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = self.block(x)
        if self.has_shortcut:
            out += x
        return out


@MODELS.register_module()
class MobileNetV3(Backbone):
    """MobileNetV3 without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:

    =====  ==============================  ==============  ==============  ======
    index  layers (Tables 1 and 2)         large           small           of 224
    =====  ==============================  ==============  ==============  ======
    0      3x3 convolution; a block in     16 channels     16 channels     112
           the large one
    1      blocks                          24              16              56
    2      the same                        40              24              28
    3      the same                        112             48              14
    4      the same                        160             96              7
    5      1x1 convolution                 960             576             7
    =====  ==============================  ==============  ==============  ======

    Names of weights are torchvision's.

    Args:
        arch: 'large' or 'small'.
        reduced_tail: Whether maps 4 and 5 have half their channels, as for
            detection and segmentation (Sec. 6.3).
        tap_expansion: Whether map 3 is the expansion inside the next block, as
            SSDLite takes it (Sec. 6.3): what is about to be halved, in six
            times the channels, 672 of the large one, 288 of the small.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``, squeeze-excitation left
            aside.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation where the tables have h-swish ("HS"); elsewhere it
            is ReLU.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torchvision's.

    Raises:
        ValueError: If ``arch`` is neither, or if one of ``out_indices`` does
            not exist.
    """

    # kernel, channels within and after the block, squeeze-excitation, h-swish,
    # stride
    arch_settings = {
        'large': (
            (3, 16, 16, False, False, 1),
            (3, 64, 24, False, False, 2),
            (3, 72, 24, False, False, 1),
            (5, 72, 40, True, False, 2),
            (5, 120, 40, True, False, 1),
            (5, 120, 40, True, False, 1),
            (3, 240, 80, False, True, 2),
            (3, 200, 80, False, True, 1),
            (3, 184, 80, False, True, 1),
            (3, 184, 80, False, True, 1),
            (3, 480, 112, True, True, 1),
            (3, 672, 112, True, True, 1),
            (5, 672, 160, True, True, 2),
            (5, 960, 160, True, True, 1),
            (5, 960, 160, True, True, 1),
        ),
        'small': (
            (3, 16, 16, True, False, 2),
            (3, 72, 24, False, False, 2),
            (3, 88, 24, False, False, 1),
            (5, 96, 40, True, True, 2),
            (5, 240, 40, True, True, 1),
            (5, 240, 40, True, True, 1),
            (5, 120, 48, True, True, 1),
            (5, 144, 48, True, True, 1),
            (5, 288, 96, True, True, 2),
            (5, 576, 96, True, True, 1),
            (5, 576, 96, True, True, 1),
        ),
    }
    tapped_stage = 3

    def __init__(
        self,
        arch: str,
        reduced_tail: bool = False,
        tap_expansion: bool = False,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
        act_cfg: dict = HSWISH,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg
            or [
                dict(type='Kaiming', layer='Conv2d'),  # fan_out, normal
                dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
            ]
        )
        if arch not in self.arch_settings:
            raise ValueError(f'arch {arch!r} not in {set(self.arch_settings)}')
        self.tap_expansion = tap_expansion
        styles = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        channels = 16
        self.features = nn.Sequential(
            ConvNormAct(in_channels, channels, 3, 2, act_cfg=act_cfg, **styles)
        )
        self.starts = [0]  # layers with which stages begin
        blocks = self.arch_settings[arch]
        for i, (kernel, hidden, width, use_se, use_hs, stride) in enumerate(
            blocks, start=-len(blocks)
        ):
            if stride == 2:
                self.starts.append(len(self.features))
            if reduced_tail:  # the last stage, which these three blocks are
                hidden //= 2 if i >= -2 else 1
                width //= 2 if i >= -3 else 1
            self.features.append(
                InvertedResidual(
                    channels,
                    hidden,
                    width,
                    kernel,
                    stride,
                    use_se,
                    act_cfg=act_cfg if use_hs else RELU,
                    **styles,
                )
            )
            channels = width
        self.starts.append(len(self.features))
        self.features.append(
            ConvNormAct(channels, 6 * channels, 1, act_cfg=act_cfg, **styles)
        )
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        bounds = pairwise((*self.starts, len(self.features)))
        stages = [list(self.features[start:end]) for start, end in bounds]
        if self.tap_expansion:
            before, after = stages[self.tapped_stage : self.tapped_stage + 2]
            # of stride 2, so that the block has no shortcut to lose
            expansion, *rest = after[0].block
            before.append(expansion)
            after[:1] = rest
        return stages
