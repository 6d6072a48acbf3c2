"""A small DCGAN that is asked for a class, for grey images of 32 x 32 pixels."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(
        type='projects.ConditionalDCGANGenerator',
        latent_dim=64,
        embed_dims=50,
        base_channels=32,
        image_size=32,
        out_channels=1,
    ),
    discriminator=dict(
        type='projects.ConditionalDCGANDiscriminator',
        base_channels=32,
        image_size=32,
        in_channels=1,
    ),
    loss=dict(type='projects.NonSaturatingLoss'),
)
