"""EfficientNetV2: plain convolutions early, progressive learning."""

from projects.core.weights.mbconv import convert_mbconv
from projects.efficientnetv2.efficientnetv2 import EfficientNetV2, FusedMBConv

__all__ = ['EfficientNetV2', 'FusedMBConv', 'convert_mbconv']
