"""DCGAN that is asked for one of 10 classes, for coloured images of 32 x 32 pixels."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(
        type='projects.ConditionalDCGANGenerator', image_size=32, out_channels=3
    ),
    discriminator=dict(
        type='projects.ConditionalDCGANDiscriminator', image_size=32, in_channels=3
    ),
    loss=dict(type='projects.NonSaturatingLoss'),
)
