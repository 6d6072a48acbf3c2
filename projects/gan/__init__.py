"""Generative adversarial networks: two networks that train each other."""

from projects.gan import cyclegan_published  # noqa: F401
from projects.gan.conditional import (
    CGANDiscriminator,
    CGANGenerator,
    ConditionalDCGANDiscriminator,
    ConditionalDCGANGenerator,
    Maxout,
)
from projects.gan.cyclegan import CycleGAN, PairedTranslator
from projects.gan.cyclegan_networks import CycleGANGenerator, PatchDiscriminator
from projects.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from projects.gan.gan import GAN
from projects.gan.image_pool import ImagePool, ImagePoolHook
from projects.gan.losses import (
    GradientPenalty,
    LeastSquaresLoss,
    MinMaxLoss,
    NonSaturatingLoss,
    WassersteinLoss,
)
from projects.gan.mlp import MLPDiscriminator, MLPGenerator
from projects.gan.mlp_images import MLPImageDiscriminator, MLPImageGenerator
from projects.gan.wgan_gp import WGANGPCIFARCritic, WGANGPCritic, WGANGPGenerator
from projects.gan.wgan_gp_mnist import WGANGPMNISTCritic, WGANGPMNISTGenerator

__all__ = [
    'GAN',
    'CGANDiscriminator',
    'CGANGenerator',
    'ConditionalDCGANDiscriminator',
    'ConditionalDCGANGenerator',
    'CycleGAN',
    'CycleGANGenerator',
    'DCGANDiscriminator',
    'DCGANGenerator',
    'GradientPenalty',
    'ImagePool',
    'ImagePoolHook',
    'LeastSquaresLoss',
    'MLPDiscriminator',
    'MLPGenerator',
    'MLPImageDiscriminator',
    'MLPImageGenerator',
    'Maxout',
    'MinMaxLoss',
    'NonSaturatingLoss',
    'PairedTranslator',
    'PatchDiscriminator',
    'WGANGPCIFARCritic',
    'WGANGPCritic',
    'WGANGPGenerator',
    'WGANGPMNISTCritic',
    'WGANGPMNISTGenerator',
    'WassersteinLoss',
]
