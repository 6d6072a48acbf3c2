"""LeNet-5: a convolutional network reads cheques (LeCun et al., 1998)."""

from projects.lenet.lenet import LeNet
from projects.lenet.published import read_lenet

__all__ = ['LeNet', 'read_lenet']
