"""EfficientNet-B0, input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(type='projects.EfficientNet', arch='b0'),
    head=dict(
        type='projects.MLPClsHead',
        num_classes=1000,
        in_channels=1280,
        pool_size=1,
        hidden_channels=(),
        dropouts=(0.2,),
        # torchvision's: uniform within 1 / sqrt(num_classes), biases of 0
        init_cfg=dict(
            type='Kaiming',
            layer='Linear',
            a=5**0.5,
            mode='fan_out',
            nonlinearity='leaky_relu',
            distribution='uniform',
        ),
    ),
)
