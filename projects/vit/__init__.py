"""The Vision Transformer: an image as a sequence of patches."""

from projects.vit.convert import convert_vit
from projects.vit.vision_transformer import (
    EncoderBlock,
    VisionTransformer,
    ViTArch,
    resize_position_embedding,
)

__all__ = [
    'EncoderBlock',
    'ViTArch',
    'VisionTransformer',
    'convert_vit',
    'resize_position_embedding',
]
