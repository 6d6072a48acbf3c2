"""RepVGG-B1, input 224."""

_base_ = './repvgg_a0.py'
model = dict(backbone=dict(series='B', a=2, b=4), head=dict(in_channels=2048))
