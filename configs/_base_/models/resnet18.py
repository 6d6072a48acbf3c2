"""ResNet-18, input 224."""

_base_ = './resnet50.py'
model = dict(backbone=dict(depth=18), head=dict(in_channels=512))
