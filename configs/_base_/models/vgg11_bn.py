"""VGG-11 with batch norm, input 224."""

_base_ = './vgg11.py'
model = dict(backbone=dict(norm_cfg=dict(type='BN')))
