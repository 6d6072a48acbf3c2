"""WGAN-GP's residual networks for images of 64 x 64 pixels."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(
        type='projects.WGANGPGenerator',
        channels=(512, 512, 256, 128, 64),
        bias=False,
        last_gain=2**0.5,
    ),
    discriminator=dict(type='projects.WGANGPCritic'),
    loss=dict(type='projects.WassersteinLoss'),
    penalty=dict(type='projects.GradientPenalty', weight=10.0),
    critic_steps=5,
)
