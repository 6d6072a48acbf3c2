"""ConvNeXt and the road to it from ResNet-50."""

from projects.convnext.convert import convert_convnext
from projects.convnext.convnext import ConvNeXt, ConvNeXtBlock, PointwiseConv
from projects.convnext.head import ConvNeXtClsHead

__all__ = [
    'ConvNeXt',
    'ConvNeXtBlock',
    'ConvNeXtClsHead',
    'PointwiseConv',
    'convert_convnext',
]
