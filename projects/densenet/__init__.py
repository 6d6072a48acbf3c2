"""DenseNet: every layer sees the maps of all layers before it."""

from projects.densenet.densenet import DenseBlock, DenseLayer, DenseNet
from projects.densenet.published import read_densenet

__all__ = ['DenseBlock', 'DenseLayer', 'DenseNet', 'read_densenet']
