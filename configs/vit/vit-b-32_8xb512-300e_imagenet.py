"""ViT-B/32 on ImageNet alone; torchvision reached 75.912 % with this recipe.

    tools/dist_train.sh configs/vit/vit-b-32_8xb512-300e_imagenet.py 8

All but the augmentation is as for ViT-B/16.
"""

_base_ = './vit-b-16_8xb512-300e_imagenet.py'
model = dict(backbone=dict(patch_size=32))
train_pipeline = [
    *_base_.train_pipeline[:4],
    dict(type='torchvision/AutoAugment', interpolation='bilinear'),
    *_base_.train_pipeline[5:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
