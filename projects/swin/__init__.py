"""Swin Transformer, versions 1 and 2."""

from projects.swin.convert import convert_swin
from projects.swin.swin import SwinTransformer
from projects.swin.swin_v2 import SwinTransformerV2

__all__ = ['SwinTransformer', 'SwinTransformerV2', 'convert_swin']
