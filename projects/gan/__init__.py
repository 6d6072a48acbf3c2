"""Generative adversarial networks: two networks that train each other."""

from projects.gan.conditional import (
    CGANDiscriminator,
    CGANGenerator,
    ConditionalDCGANDiscriminator,
    ConditionalDCGANGenerator,
    Maxout,
)
from projects.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from projects.gan.gan import GAN
from projects.gan.losses import (
    GradientPenalty,
    LeastSquaresLoss,
    MinMaxLoss,
    NonSaturatingLoss,
    WassersteinLoss,
)
from projects.gan.mlp import MLPDiscriminator, MLPGenerator
from projects.gan.wgan_gp import WGANGPCIFARCritic, WGANGPCritic, WGANGPGenerator
from projects.gan.wgan_gp_mnist import WGANGPMNISTCritic, WGANGPMNISTGenerator

__all__ = [
    'GAN',
    'CGANDiscriminator',
    'CGANGenerator',
    'ConditionalDCGANDiscriminator',
    'ConditionalDCGANGenerator',
    'DCGANDiscriminator',
    'DCGANGenerator',
    'GradientPenalty',
    'LeastSquaresLoss',
    'MLPDiscriminator',
    'MLPGenerator',
    'Maxout',
    'MinMaxLoss',
    'NonSaturatingLoss',
    'WGANGPCIFARCritic',
    'WGANGPCritic',
    'WGANGPGenerator',
    'WGANGPMNISTCritic',
    'WGANGPMNISTGenerator',
    'WassersteinLoss',
]
