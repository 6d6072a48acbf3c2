"""Two multilayer perceptrons for points in a plane, of four hidden layers each."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    data_preprocessor=dict(mean=0, std=1),
    generator=dict(type='projects.MLPGenerator', hidden_dims=(128,) * 4),
    discriminator=dict(type='projects.MLPDiscriminator', hidden_dims=(128,) * 4),
    loss=dict(type='projects.NonSaturatingLoss'),
)
