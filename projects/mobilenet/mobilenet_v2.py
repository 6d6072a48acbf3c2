"""MobileNetV2, after Sandler et al., "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", CVPR 2018, Sec. 3 and 4, https://arxiv.org/abs/1801.04381.

Legend: B images, C channels, H and W in pixels. Differences from the paper:
README, "Notes".
"""

from collections.abc import Sequence
from itertools import pairwise

from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import Tensor, nn

from projects.core.layers import Backbone, ConvNormAct, make_divisible
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

BN = dict(type='BN')
RELU6 = dict(type='ReLU6', inplace=True)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project (Table 1; Fig. 4d).

    Maps (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride),
    rounded up. The shortcut joins the narrow ends, where nothing is lost in an
    activation: the projection has none ("linear bottleneck", Sec. 3.2).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Of the depthwise convolution.
        expansion: Channels between the ends by those of the input, the
            paper's t; the first convolution is left out where it is 1.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation after the first two.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        expansion: int,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        styles = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvNormAct(in_channels, hidden, 1, **styles))
        layers += [
            ConvNormAct(hidden, hidden, 3, stride, groups=hidden, **styles),
            build_conv_layer(conv_cfg, hidden, out_channels, 1, bias=False),
            build_norm_layer(norm_cfg, out_channels)[1],
        ]
        self.conv = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        if self.has_shortcut:
            out += x
        return out


@MODELS.register_module()
class MobileNetV2(Backbone):
    """MobileNetV2 without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``;
    channels for ``width_mult`` 1:

    =====  ===========================  ========  =======  ======
    index  layers (Table 2)             channels  of 224   blocks
    =====  ===========================  ========  =======  ======
    0      3x3 convolution, bottleneck  16        112      1
    1      bottlenecks                  24        56       2
    2      the same                     32        28       3
    3      the same, of 64 and 96       96        14       4 + 3
    4      the same, of 160 and 320     320       7        3 + 1
    5      1x1 convolution              1280      7
    =====  ===========================  ========  =======  ======

    Names of weights are torchvision's.

    Args:
        width_mult: Width multiplier; below 1 the last convolution keeps its
            width (Sec. 4). Widths are multiples of 8.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation where there is one.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torchvision's.

    Raises:
        ValueError: If one of ``out_indices`` does not exist.
    """

    # Table 2: expansion t, channels c, blocks n, stride s of the first block
    arch = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(
        self,
        width_mult: float = 1.0,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
        act_cfg: dict = RELU6,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg
            or [
                dict(type='Kaiming', layer='Conv2d'),  # fan_out, normal
                dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
            ]
        )
        styles = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        channels = make_divisible(32 * width_mult)
        self.features = nn.Sequential(
            ConvNormAct(in_channels, channels, 3, 2, **styles)
        )
        self.starts = [0]  # layers with which stages begin
        for expansion, width, num_blocks, first_stride in self.arch:
            out_channels = make_divisible(width * width_mult)
            if first_stride == 2:
                self.starts.append(len(self.features))
            for i in range(num_blocks):
                stride = first_stride if i == 0 else 1
                self.features.append(
                    InvertedResidual(
                        channels, out_channels, stride, expansion, **styles
                    )
                )
                channels = out_channels
        self.starts.append(len(self.features))
        last = make_divisible(1280 * max(1.0, width_mult))
        self.features.append(ConvNormAct(channels, last, 1, **styles))
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        bounds = pairwise((*self.starts, len(self.features)))
        return [self.features[start:end] for start, end in bounds]
