"""EfficientNetV2, after Tan and Le, "EfficientNetV2: Smaller Models and Faster
Training", ICML 2021, Sec. 3 and Table 4, https://arxiv.org/abs/2104.00298.

Differences from the paper: README, "Notes".
"""

from collections.abc import Sequence
from functools import partial

from torch import nn

from projects.core.layers import (
    ConvNormAct,
    MBConv,
    MBConvBackbone,
    MBConvStage,
    StochasticResidual,
)
from projects.registry import MODELS

BN = dict(type='BN', eps=1e-3)
SILU = dict(type='SiLU')
# operator, expansion, stride, channels, layers: a row of Table 4; all are 3x3
StageSettings = tuple[str, int, int, int, int]


class FusedMBConv(StochasticResidual):
    """MBConv whose expansion and depthwise convolution are one 3x3 convolution.

    It has no squeeze-excitation. Without an expansion it has no projection either
    and is a plain convolution with an activation.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of the output.
        kernel_size: Of the fused convolution.
        stride: Of the fused convolution.
        expand_ratio: Its channels, as a multiple of ``in_channels``.
        stochastic_depth_prob: Probability that an image loses the residual.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation; none after the projection.
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
        conv = partial(ConvNormAct, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        if expand_ratio == 1:
            layers = [
                conv(in_channels, out_channels, kernel_size, stride, act_cfg=act_cfg)
            ]
        else:
            width = in_channels * expand_ratio
            layers = [
                conv(in_channels, width, kernel_size, stride, act_cfg=act_cfg),
                conv(width, out_channels, 1),
            ]
        super().__init__(
            nn.Sequential(*layers),
            stride == 1 and in_channels == out_channels,
            stochastic_depth_prob,
        )


@MODELS.register_module()
class EfficientNetV2(MBConvBackbone):
    """EfficientNetV2 without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``;
    channels and blocks of S:

    =====  ==================================  ========  =======  ======
    index  layers (Table 4)                    channels  of 384   blocks
    =====  ==================================  ========  =======  ======
    0      3x3 convolution, Fused-MBConv1      24        192      2
    1      Fused-MBConv4                       48        96       4
    2      Fused-MBConv4                       64        48       4
    3      MBConv4, MBConv6                    160       24       6 + 9
    4      MBConv6 (M, L, XL: two of them)     256       12       15
    5      1x1 convolution                     1280      12
    =====  ==================================  ========  =======  ======

    Args:
        arch: A key of ``arch_settings``, or such rows: operator ('FusedMBConv'
            or 'MBConv'), expansion, stride, channels, blocks. The stem has the
            channels of the first row.
        last_channels: Channels of the 1x1 convolution.
        norm_cfg: Normalisation after each convolution.
        **kwargs: Of :class:`projects.core.layers.MBConvBackbone`.

    Raises:
        ValueError: If ``arch`` is not in ``arch_settings``, an operator is not
            known, or one of ``out_indices`` does not exist.
    """

    operators = {'FusedMBConv': FusedMBConv, 'MBConv': MBConv}
    arch_settings: dict[str, tuple[StageSettings, ...]] = {
        's': (
            ('FusedMBConv', 1, 1, 24, 2),
            ('FusedMBConv', 4, 2, 48, 4),
            ('FusedMBConv', 4, 2, 64, 4),
            ('MBConv', 4, 2, 128, 6),
            ('MBConv', 6, 1, 160, 9),
            ('MBConv', 6, 2, 256, 15),
        ),
        'm': (
            ('FusedMBConv', 1, 1, 24, 3),
            ('FusedMBConv', 4, 2, 48, 5),
            ('FusedMBConv', 4, 2, 80, 5),
            ('MBConv', 4, 2, 160, 7),
            ('MBConv', 6, 1, 176, 14),
            ('MBConv', 6, 2, 304, 18),
            ('MBConv', 6, 1, 512, 5),
        ),
        'l': (
            ('FusedMBConv', 1, 1, 32, 4),
            ('FusedMBConv', 4, 2, 64, 7),
            ('FusedMBConv', 4, 2, 96, 7),
            ('MBConv', 4, 2, 192, 10),
            ('MBConv', 6, 1, 224, 19),
            ('MBConv', 6, 2, 384, 25),
            ('MBConv', 6, 1, 640, 7),
        ),
        'xl': (
            ('FusedMBConv', 1, 1, 32, 4),
            ('FusedMBConv', 4, 2, 64, 8),
            ('FusedMBConv', 4, 2, 96, 8),
            ('MBConv', 4, 2, 192, 16),
            ('MBConv', 6, 1, 256, 24),
            ('MBConv', 6, 2, 512, 32),
            ('MBConv', 6, 1, 640, 8),
        ),
    }

    def __init__(
        self,
        arch: str | Sequence[StageSettings] = 's',
        last_channels: int = 1280,
        norm_cfg: dict = BN,
        **kwargs,
    ) -> None:
        if isinstance(arch, str):
            if arch not in self.arch_settings:
                raise ValueError(f"arch '{arch}' not in {list(self.arch_settings)}")
            arch = self.arch_settings[arch]
        stages = []
        for operator, expand_ratio, stride, channels, num_blocks in arch:
            if operator not in self.operators:
                raise ValueError(f"operator '{operator}' not in {set(self.operators)}")
            stages.append(
                MBConvStage(
                    self.operators[operator],
                    expand_ratio,
                    3,
                    stride,
                    channels,
                    num_blocks,
                )
            )
        super().__init__(
            stem_channels=stages[0].channels,
            stages=stages,
            last_channels=last_channels,
            norm_cfg=norm_cfg,
            **kwargs,
        )
