"""Convolution, normalisation and activation, and how wide they may be."""

from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import nn


class ConvNormAct(nn.Sequential):
    """A convolution that keeps H and W but for its stride, norm, activation.

    Maps (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride),
    rounded up. Its layers are '0', '1' and '2', as in torchvision's
    ``Conv2dNormActivation``; that one's layers a config cannot exchange.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd; zeros are padded by half of it.
        stride: Of the convolution.
        groups: Of the convolution; ``in_channels`` for a depthwise one.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation, which brings the bias; None for a bias alone.
        act_cfg: Activation; None for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
    ) -> None:
        layers = [
            build_conv_layer(
                conv_cfg,
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                padding=kernel_size // 2,
                groups=groups,
                bias=norm_cfg is None,
            )
        ]
        if norm_cfg is not None:
            layers.append(build_norm_layer(norm_cfg, out_channels)[1])
        if act_cfg is not None:
            layers.append(build_activation_layer(act_cfg))
        super().__init__(*layers)


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` next to a width, but not below 90 % of it.

    As in the code released with MobileNetV2; hardware likes such widths.

    Args:
        channels: A width times a width multiplier.
        divisor: Of the result, which is not below it.
    """
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest
