"""MobileViT-XXS, input 256."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    # images from 0 to 1; RGB as for timm's files, and mmpretrain's are for BGR
    data_preprocessor=dict(mean=[0, 0, 0], std=[255, 255, 255], to_rgb=True),
    backbone=dict(type='projects.MobileViT', arch='xxs'),
    head=dict(
        type='projects.MLPClsHead',
        num_classes=1000,
        in_channels=320,
        pool_size=1,
        hidden_channels=(),
        dropouts=(0.1,),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02),
    ),
)
