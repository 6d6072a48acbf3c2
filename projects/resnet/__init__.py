"""ResNet, and its wider and grouped kinds: Wide ResNet and ResNeXt."""

from projects.resnet.resnet import BasicBlock, Bottleneck, ResNet

__all__ = ['BasicBlock', 'Bottleneck', 'ResNet']
