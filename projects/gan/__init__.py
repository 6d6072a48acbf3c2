"""Generative adversarial networks: two networks that train each other."""

from projects.gan.conditional import (
    CGANDiscriminator,
    CGANGenerator,
    ConditionalDCGANDiscriminator,
    ConditionalDCGANGenerator,
    Maxout,
)
from projects.gan.gan import GAN
from projects.gan.losses import (
    GradientPenalty,
    LeastSquaresLoss,
    MinMaxLoss,
    NonSaturatingLoss,
    WassersteinLoss,
)
from projects.gan.mlp import MLPDiscriminator, MLPGenerator

__all__ = [
    'GAN',
    'CGANDiscriminator',
    'CGANGenerator',
    'ConditionalDCGANDiscriminator',
    'ConditionalDCGANGenerator',
    'GradientPenalty',
    'LeastSquaresLoss',
    'MLPDiscriminator',
    'MLPGenerator',
    'Maxout',
    'MinMaxLoss',
    'NonSaturatingLoss',
    'WassersteinLoss',
]
