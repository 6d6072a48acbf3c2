"""MobileViT: transformers in the place of a convolution."""

from projects.mobilevit.convert import convert_mobilevit
from projects.mobilevit.mobilevit import MobileViT, MobileViTBlock, fold, unfold

__all__ = ['MobileViT', 'MobileViTBlock', 'convert_mobilevit', 'fold', 'unfold']
