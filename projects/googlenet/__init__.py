"""GoogLeNet: four kernel sizes side by side (Szegedy et al., 2014)."""

from projects.googlenet.googlenet import GoogLeNet, GoogLeNetMaps
from projects.googlenet.head import GoogLeNetHead, GoogLeNetLogits

__all__ = ['GoogLeNet', 'GoogLeNetHead', 'GoogLeNetLogits', 'GoogLeNetMaps']
