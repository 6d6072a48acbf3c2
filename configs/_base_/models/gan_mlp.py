"""Two multilayer perceptrons for points in a plane, of three hidden layers each."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.GAN',
    data_preprocessor=dict(mean=0, std=1),
    generator=dict(type='projects.MLPGenerator', hidden_dims=(128, 128, 128)),
    discriminator=dict(type='projects.MLPDiscriminator', hidden_dims=(128, 128, 128)),
    loss=dict(type='projects.NonSaturatingLoss'),
)
