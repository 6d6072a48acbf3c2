"""What the architectures of several plugins are built of."""

from torchvision.ops import SqueezeExcitation, StochasticDepth

from projects.core.layers.attention import ScaledDotProductAttention
from projects.core.layers.backbone import Backbone
from projects.core.layers.builders import build_layer
from projects.core.layers.cache import KeyValueCache
from projects.core.layers.conv_norm_act import ConvNormAct, make_divisible
from projects.core.layers.mbconv import (
    MBConv,
    MBConvBackbone,
    MBConvStage,
    StochasticResidual,
)

__all__ = [
    'Backbone',
    'ConvNormAct',
    'KeyValueCache',
    'MBConv',
    'MBConvBackbone',
    'MBConvStage',
    'ScaledDotProductAttention',
    'SqueezeExcitation',
    'StochasticDepth',
    'StochasticResidual',
    'build_layer',
    'make_divisible',
]
