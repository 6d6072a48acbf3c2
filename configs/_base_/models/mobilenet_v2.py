"""MobileNetV2 of width 1, input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='projects.MobileNetV2', width_mult=1.0),
    head=dict(
        type='projects.MLPClsHead',
        num_classes=1000,
        in_channels=1280,
        pool_size=1,
        hidden_channels=(),
        dropouts=0.2,
        init_cfg=dict(type='Normal', layer='Linear', std=0.01),
    ),
)
