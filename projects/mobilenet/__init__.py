"""MobileNet, versions 1 to 3."""

from projects.mobilenet.convert import convert_mobilenet
from projects.mobilenet.mobilenet_v1 import MobileNetV1
from projects.mobilenet.mobilenet_v2 import MobileNetV2
from projects.mobilenet.mobilenet_v3 import MobileNetV3

__all__ = ['MobileNetV1', 'MobileNetV2', 'MobileNetV3', 'convert_mobilenet']
