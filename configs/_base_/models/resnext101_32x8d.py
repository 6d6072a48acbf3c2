"""ResNeXt-101 of 32 groups, 8 channels each in the first stage, input 224."""

_base_ = './resnet50.py'
model = dict(backbone=dict(depth=101, groups=32, base_width=8))
