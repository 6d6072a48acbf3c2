"""MobileNetV1 of width 1."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='projects.MobileNetV1', width_mult=1.0),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=1024),
)
