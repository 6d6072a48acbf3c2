"""WGAN-GP's residual networks for CIFAR-10, unconditional."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(type='projects.WGANGPGenerator'),
    discriminator=dict(type='projects.WGANGPCIFARCritic'),
    loss=dict(type='projects.WassersteinLoss'),
    penalty=dict(type='projects.GradientPenalty', weight=10.0),
    critic_steps=5,
    generator_batches=2,
)
