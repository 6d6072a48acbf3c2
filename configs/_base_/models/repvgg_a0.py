"""RepVGG-A0, input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='projects.RepVGG', series='A', a=0.75, b=2.5),
    neck=dict(type='GlobalAveragePooling'),
    # the authors leave the layer as torch makes it
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=1280, init_cfg=None),
)
