"""The Transformer: an encoder-decoder of attention alone."""

from projects.transformer.convert import convert_transformer
from projects.transformer.layers import (
    DecoderLayer,
    EncoderLayer,
    MultiheadAttention,
    SinusoidalPositions,
    sinusoids,
)
from projects.transformer.schedule import WarmupInverseSqrtLR
from projects.transformer.transformer import Transformer

__all__ = [
    'DecoderLayer',
    'EncoderLayer',
    'MultiheadAttention',
    'SinusoidalPositions',
    'Transformer',
    'WarmupInverseSqrtLR',
    'convert_transformer',
    'sinusoids',
]
