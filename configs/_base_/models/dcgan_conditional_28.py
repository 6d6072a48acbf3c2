"""DCGAN that is asked for one of 10 classes, for grey images of 28 x 28 pixels."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    generator=dict(
        type='projects.ConditionalDCGANGenerator', image_size=28, out_channels=1
    ),
    discriminator=dict(
        type='projects.ConditionalDCGANDiscriminator', image_size=28, in_channels=1
    ),
    loss=dict(type='projects.NonSaturatingLoss'),
)
