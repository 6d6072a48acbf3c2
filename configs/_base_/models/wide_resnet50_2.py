"""ResNet-50 with bottlenecks twice as wide, input 224."""

_base_ = './resnet50.py'
model = dict(backbone=dict(base_width=128))
