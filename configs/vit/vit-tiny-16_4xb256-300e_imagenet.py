"""ViT-Ti/16 on ImageNet alone, after DeiT's recipe; its authors reached 72.2 %.

tools/dist_train.sh configs/vit/vit-tiny-16_4xb256-300e_imagenet.py 4
"""

_base_ = './vit-small-16_4xb256-300e_imagenet.py'
model = dict(backbone=dict(arch='tiny'), head=dict(in_channels=192))
