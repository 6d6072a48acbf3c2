"""A small CycleGAN for images of 32 x 32, of which its discriminators see windows of 34
pixels: the whole."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.CycleGAN',
    generator=dict(type='projects.CycleGANGenerator', num_blocks=2, base_channels=16),
    discriminator=dict(
        type='projects.PatchDiscriminator', num_strides=2, base_channels=32
    ),
)
