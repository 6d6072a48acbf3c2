"""Layers from scratch: what is inside those of torch.nn, in plain PyTorch."""

from projects.scratch.attention import (
    ScratchMultiheadAttention,
    ScratchPatchEmbedding,
    ScratchSelfAttention,
)
from projects.scratch.convolution import ScratchConv2d, ScratchLoopConv2d
from projects.scratch.dense import ScratchDropout, ScratchLinear, ScratchReLU
from projects.scratch.normalisation import (
    ScratchBatchNorm1d,
    ScratchBatchNorm2d,
    ScratchLayerNorm,
    ScratchLocalResponseNorm,
)
from projects.scratch.pooling import (
    ScratchAdaptiveAvgPool2d,
    ScratchAvgPool2d,
    ScratchMaxPool2d,
)
from projects.scratch.sequences import (
    ScratchLocalSelfAttention,
    ScratchPositionalEncoding,
)

__all__ = [
    'ScratchAdaptiveAvgPool2d',
    'ScratchAvgPool2d',
    'ScratchBatchNorm1d',
    'ScratchBatchNorm2d',
    'ScratchConv2d',
    'ScratchDropout',
    'ScratchLayerNorm',
    'ScratchLinear',
    'ScratchLocalResponseNorm',
    'ScratchLocalSelfAttention',
    'ScratchLoopConv2d',
    'ScratchMaxPool2d',
    'ScratchMultiheadAttention',
    'ScratchPatchEmbedding',
    'ScratchPositionalEncoding',
    'ScratchReLU',
    'ScratchSelfAttention',
]
