"""EfficientNet: depth, width and resolution grow together."""

from projects.core.weights.mbconv import convert_mbconv
from projects.efficientnet.efficientnet import EfficientNet, compound_scaling

__all__ = ['EfficientNet', 'compound_scaling', 'convert_mbconv']
