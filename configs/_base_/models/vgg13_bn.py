"""VGG-13 with batch norm, input 224."""

_base_ = './vgg13.py'
model = dict(backbone=dict(norm_cfg=dict(type='BN')))
