"""ConvNeXt-T, input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='projects.ConvNeXt', arch='tiny', stochastic_depth_prob=0.1),
    head=dict(type='projects.ConvNeXtClsHead', num_classes=1000, in_channels=768),
)
