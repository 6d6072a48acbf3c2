"""CycleGAN with 6 residual blocks in its generators, for images of 128 x 128."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.CycleGAN',
    generator=dict(type='projects.CycleGANGenerator', num_blocks=6),
    discriminator=dict(type='projects.PatchDiscriminator'),
)
