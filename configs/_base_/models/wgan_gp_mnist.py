"""WGAN-GP's networks for MNIST, whose images lie in [0, 1]."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    data_preprocessor=dict(mean=0, std=255),
    generator=dict(type='projects.WGANGPMNISTGenerator'),
    discriminator=dict(type='projects.WGANGPMNISTCritic'),
    loss=dict(type='projects.WassersteinLoss'),
    penalty=dict(type='projects.GradientPenalty', weight=10.0),
    critic_steps=5,
)
