"""ResNet-50, input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='projects.ResNet', depth=50),
    neck=dict(type='GlobalAveragePooling'),
    # torchvision leaves the layer as torch makes it
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048, init_cfg=None),
)
