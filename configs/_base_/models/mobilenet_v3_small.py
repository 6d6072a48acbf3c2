"""MobileNetV3-Small, input 224."""

_base_ = './mobilenet_v3_large.py'
model = dict(
    backbone=dict(arch='small'), head=dict(in_channels=576, hidden_channels=(1024,))
)
