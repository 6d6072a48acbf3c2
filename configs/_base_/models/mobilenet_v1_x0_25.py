"""MobileNetV1 of width 0.25."""

_base_ = './mobilenet_v1_x1_0.py'
model = dict(backbone=dict(width_mult=0.25), head=dict(in_channels=256))
