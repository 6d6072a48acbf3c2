"""RepVGG-A2, input 224."""

_base_ = './repvgg_a0.py'
model = dict(backbone=dict(a=1.5, b=2.75), head=dict(in_channels=1408))
