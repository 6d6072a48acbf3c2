"""ViT-B/16, input 224."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
    backbone=dict(
        type='projects.VisionTransformer', arch='base', patch_size=16, pool='token'
    ),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        # torchvision's, and the paper's in fine-tuning (Sec. 3.2)
        init_cfg=dict(type='Constant', layer='Linear', val=0),
    ),
)
