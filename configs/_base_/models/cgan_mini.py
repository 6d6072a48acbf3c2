"""Conditional GAN for images of 8 x 8 pixels, such as digits.

The paper's networks with narrower layers and without dropout; loss and penalty are
those of WGAN-GP.
"""

default_scope = 'mmpretrain'
small = dict(image_shape=(1, 8, 8), dropout=0.0, init_cfg=None)  # torch's own weights
model = dict(
    type='projects.GAN',
    generator=dict(
        type='projects.CGANGenerator', latent_dim=32, widths=(128, 64, 256), **small
    ),
    discriminator=dict(
        type='projects.CGANDiscriminator',
        widths=(128, 64, 128),
        pieces=(4, 4, 4),
        **small,
    ),
    loss=dict(type='projects.WassersteinLoss'),
    penalty=dict(type='projects.GradientPenalty', weight=10.0),
    critic_steps=3,
    ema=0.995,
    data_preprocessor=dict(mean=0, std=255),
)
