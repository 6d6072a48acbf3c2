"""DCGAN of PyTorch's example: 64 x 64 pixels, kernels of 4."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(type='projects.DCGANGenerator'),
    discriminator=dict(type='projects.DCGANDiscriminator'),
    loss=dict(type='projects.NonSaturatingLoss'),
)
