"""AlexNet: the network that won ImageNet 2012 (Krizhevsky et al., 2012)."""

from projects.alexnet.alexnet import AlexNet

__all__ = ['AlexNet']
