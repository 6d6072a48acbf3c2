"""VGG-19 with batch norm, input 224."""

_base_ = './vgg19.py'
model = dict(backbone=dict(norm_cfg=dict(type='BN')))
