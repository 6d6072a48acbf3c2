"""RepVGG-B0, input 224."""

_base_ = './repvgg_a0.py'
model = dict(backbone=dict(series='B', a=1))
