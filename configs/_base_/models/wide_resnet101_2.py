"""ResNet-101 with bottlenecks twice as wide, input 224."""

_base_ = './resnet50.py'
model = dict(backbone=dict(depth=101, base_width=128))
