"""ResNeXt-101 of 64 groups, 4 channels each in the first stage, input 224."""

_base_ = './resnet50.py'
model = dict(backbone=dict(depth=101, groups=64, base_width=4))
