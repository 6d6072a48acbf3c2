"""ResNeXt-50 of 32 groups, 4 channels each in the first stage, input 224."""

_base_ = './resnet50.py'
model = dict(backbone=dict(groups=32, base_width=4))
