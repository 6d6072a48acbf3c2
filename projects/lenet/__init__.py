"""LeNet-5: a convolutional network reads cheques (LeCun et al., 1998)."""

from projects.lenet.convert import convert_lenet
from projects.lenet.lenet import LeNet

__all__ = ['LeNet', 'convert_lenet']
