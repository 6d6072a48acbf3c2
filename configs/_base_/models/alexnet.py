"""AlexNet in one tower, as in torchvision, input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='projects.AlexNet'),
    head=dict(
        type='projects.MLPClsHead',
        num_classes=1000,
        in_channels=256,
        pool_size=6,
        hidden_channels=(4096, 4096),
        dropouts=(0.5, 0.5, 0),
    ),
)
