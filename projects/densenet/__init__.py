"""DenseNet: every layer sees the maps of all layers before it."""

from projects.densenet.convert import convert_densenet
from projects.densenet.densenet import DenseBlock, DenseLayer, DenseNet

__all__ = ['DenseBlock', 'DenseLayer', 'DenseNet', 'convert_densenet']
