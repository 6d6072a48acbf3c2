"""MobileViT: transformers that take the place of a convolution."""

from projects.mobilevit.convert import convert_mobilevit
from projects.mobilevit.mobilevit import MobileViT, MobileViTBlock, fold, unfold
from projects.mobilevit.multi_scale import MultiScaleClsDataPreprocessor

__all__ = [
    'MobileViT',
    'MobileViTBlock',
    'MultiScaleClsDataPreprocessor',
    'convert_mobilevit',
    'fold',
    'unfold',
]
