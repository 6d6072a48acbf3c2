"""MobileNetV2 of width 1.4, input 224."""

_base_ = './mobilenet_v2.py'
model = dict(backbone=dict(width_mult=1.4), head=dict(in_channels=1792))
