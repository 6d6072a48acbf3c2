"""RepVGG: three branches in training, one convolution in prediction."""

from projects.repvgg.convert import convert_repvgg
from projects.repvgg.repvgg import RepVGG, RepVGGBlock, fuse_branches

__all__ = ['RepVGG', 'RepVGGBlock', 'convert_repvgg', 'fuse_branches']
