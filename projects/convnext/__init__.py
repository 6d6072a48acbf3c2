"""ConvNeXt and the road to it from ResNet-50."""

from projects.convnext.convert import convert_convnext
from projects.convnext.convnext import ConvNeXt, ConvNeXtBlock, PointwiseConv
from projects.convnext.head import ConvNeXtClsHead
from projects.convnext.road import STEPS, RoadConvNet

__all__ = [
    'STEPS',
    'ConvNeXt',
    'ConvNeXtBlock',
    'ConvNeXtClsHead',
    'PointwiseConv',
    'RoadConvNet',
    'convert_convnext',
]
