"""VGG: depth out of 3 x 3 convolutions (Simonyan, Zisserman, 2014)."""

from projects.vgg.published import read_mmpretrain_vgg, read_timm_vgg
from projects.vgg.vgg import VGG

__all__ = ['VGG', 'read_mmpretrain_vgg', 'read_timm_vgg']
