"""MobileNetV1, after Howard et al., "MobileNets: Efficient Convolutional Neural
Networks for Mobile Vision Applications", 2017, Sec. 3 and Table 1,
https://arxiv.org/abs/1704.04861.

Legend: B images, C channels, H and W in pixels. Differences from the paper:
README, "Notes".
"""

from collections import OrderedDict
from collections.abc import Sequence

from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import nn

from projects.core.layers import Backbone, make_divisible
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

BN = dict(type='BN')
RELU6 = dict(type='ReLU6', inplace=True)


class DepthwiseSeparable(nn.Sequential):
    """A 3x3 convolution in two steps (Fig. 3, right).

    The depthwise one filters each channel by itself, the pointwise one mixes
    the channels. Maps (B, in_channels, H, W) to (B, out_channels, H / stride,
    W / stride), rounded up.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Of the depthwise convolution.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation after each normalisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__(
            OrderedDict(
                conv_dw=build_conv_layer(
                    conv_cfg,
                    in_channels,
                    in_channels,
                    3,
                    stride=stride,
                    padding=1,
                    groups=in_channels,
                    bias=False,
                ),
                bn1=build_norm_layer(norm_cfg, in_channels)[1],
                act1=build_activation_layer(act_cfg),
                conv_pw=build_conv_layer(
                    conv_cfg, in_channels, out_channels, 1, bias=False
                ),
                bn2=build_norm_layer(norm_cfg, out_channels)[1],
                act2=build_activation_layer(act_cfg),
            )
        )


@MODELS.register_module()
class MobileNetV1(Backbone):
    """MobileNetV1 without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``;
    channels for ``width_mult`` 1:

    =====  ===========================  ========  =======  ======
    index  layers (Table 1)             channels  of 224   blocks
    =====  ===========================  ========  =======  ======
    0      3x3 convolution, separable   64        112      1
    1      separable convolutions       128       56       2
    2      the same                     256       28       2
    3      the same                     512       14       6
    4      the same                     1024      7        2
    =====  ===========================  ========  =======  ======

    Names of weights are those of timm's ``mobilenetv1_100``.

    Args:
        width_mult: Width multiplier, the paper's alpha (Sec. 3.3): 1, 0.75,
            0.5 or 0.25 there. Widths are multiples of 8.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation after each normalisation.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is that of TF-Slim's ``mobilenet_v1``.

    Raises:
        ValueError: If one of ``out_indices`` does not exist.
    """

    # channels of the blocks of each stage; after the first, it begins by halving
    stage_channels = ((64,), (128,) * 2, (256,) * 2, (512,) * 6, (1024,) * 2)

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
            # cut at twice its standard deviation
            or dict(type='TruncNormal', layer='Conv2d', std=0.09, a=-0.18, b=0.18)
        )
        channels = make_divisible(32 * width_mult)
        self.conv_stem = build_conv_layer(
            conv_cfg, in_channels, channels, 3, stride=2, padding=1, bias=False
        )
        self.bn1 = build_norm_layer(norm_cfg, channels)[1]
        self.act1 = build_activation_layer(act_cfg)
        self.blocks = nn.Sequential()
        for stage, widths in enumerate(self.stage_channels):
            blocks = nn.Sequential()
            for i, width in enumerate(widths):
                out_channels = make_divisible(width * width_mult)
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(
                    DepthwiseSeparable(
                        channels, out_channels, stride, conv_cfg, norm_cfg, act_cfg
                    )
                )
                channels = out_channels
            self.blocks.append(blocks)
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        first, *others = self.blocks
        stem = self.conv_stem, self.bn1, self.act1
        return ((*stem, first), *((blocks,) for blocks in others))
