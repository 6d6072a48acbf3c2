"""WGAN-GP without convolutions, for images of 8 x 8 pixels, such as digits."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(type='projects.MLPImageGenerator'),
    discriminator=dict(type='projects.MLPImageDiscriminator'),
    loss=dict(type='projects.WassersteinLoss'),
    penalty=dict(type='projects.GradientPenalty', weight=10.0),
    critic_steps=3,
    ema=0.995,
)
