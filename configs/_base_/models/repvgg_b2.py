"""RepVGG-B2, input 224."""

_base_ = './repvgg_a0.py'
model = dict(backbone=dict(series='B', a=2.5, b=5), head=dict(in_channels=2560))
