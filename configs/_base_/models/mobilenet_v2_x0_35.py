"""MobileNetV2 of width 0.35, input 224."""

_base_ = './mobilenet_v2.py'
model = dict(backbone=dict(width_mult=0.35))
