"""LeNet-5: the convolutional network that read cheques (LeCun et al., 1998)."""
from projects.lenet.lenet import LeNet

__all__ = ['LeNet']
