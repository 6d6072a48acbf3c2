"""CycleGAN with 9 residual blocks in its generators, for images of 256 x 256."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.CycleGAN',
    generator=dict(type='projects.CycleGANGenerator', num_blocks=9),
    discriminator=dict(type='projects.PatchDiscriminator'),
)
