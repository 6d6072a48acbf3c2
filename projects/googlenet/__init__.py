"""GoogLeNet: four kernel sizes side by side (Szegedy et al., 2014)."""

from projects.googlenet.googlenet import GoogLeNet
from projects.googlenet.head import GoogLeNetHead

__all__ = ['GoogLeNet', 'GoogLeNetHead']
