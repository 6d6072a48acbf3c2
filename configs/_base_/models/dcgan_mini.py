"""A small DCGAN for grey images of 32 x 32 pixels, such as enlarged digits."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(
        type='projects.DCGANGenerator',
        latent_dim=32,
        base_channels=24,
        image_size=32,
        out_channels=1,
    ),
    discriminator=dict(
        type='projects.DCGANDiscriminator',
        base_channels=24,
        image_size=32,
        in_channels=1,
    ),
    loss=dict(type='projects.NonSaturatingLoss'),
    ema=0.99,
)
