"""VGG: depth out of 3 x 3 convolutions (Simonyan, Zisserman, 2014)."""

from projects.vgg.convert import convert_mmpretrain_vgg, convert_timm_vgg
from projects.vgg.vgg import VGG

__all__ = ['VGG', 'convert_mmpretrain_vgg', 'convert_timm_vgg']
