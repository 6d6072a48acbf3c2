"""ResNet-101, input 224."""

_base_ = './resnet50.py'
model = dict(backbone=dict(depth=101))
