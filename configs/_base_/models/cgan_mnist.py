"""Conditional GAN of the paper, for grey images of 28 x 28 pixels and 10 classes.

Mirza and Osindero 2014, Sec. 4.1. Its images lie in [0, 1], its latents in the unit
cube.
"""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(type='projects.CGANGenerator'),
    discriminator=dict(type='projects.CGANDiscriminator'),
    loss=dict(type='projects.NonSaturatingLoss'),
    latent=(0, 1),
    data_preprocessor=dict(mean=0, std=255),
)
