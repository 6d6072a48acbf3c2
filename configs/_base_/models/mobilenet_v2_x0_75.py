"""MobileNetV2 of width 0.75, input 224."""

_base_ = './mobilenet_v2.py'
model = dict(backbone=dict(width_mult=0.75))
