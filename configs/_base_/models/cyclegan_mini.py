"""A small CycleGAN for images of 32 x 32: its discriminators see 16 x 16 pixels."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.CycleGAN',
    generator=dict(type='projects.CycleGANGenerator', num_blocks=2, base_channels=16),
    discriminator=dict(
        type='projects.PatchDiscriminator', num_strides=1, base_channels=32
    ),
)
