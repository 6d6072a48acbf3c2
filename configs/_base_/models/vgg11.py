"""VGG-11 (configuration A), input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='projects.VGG', depth=11),
    head=dict(
        type='projects.MLPClsHead',
        num_classes=1000,
        in_channels=512,
        pool_size=7,
        hidden_channels=(4096, 4096),
        dropouts=(0, 0.5, 0.5),
        init_cfg=dict(type='Normal', layer='Linear', std=0.01),
    ),
)
