"""MobileNetV3-Large, input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='projects.MobileNetV3', arch='large'),
    head=dict(
        type='projects.MLPClsHead',
        num_classes=1000,
        in_channels=960,
        pool_size=1,
        hidden_channels=(1280,),
        dropouts=(0, 0.2),
        act_cfg=dict(type='HSwish', inplace=True),
        init_cfg=dict(type='Normal', layer='Linear', std=0.01),
    ),
)
