"""VGG-16 with batch norm, input 224."""

_base_ = './vgg16.py'
model = dict(backbone=dict(norm_cfg=dict(type='BN')))
