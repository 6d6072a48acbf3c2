"""RepVGG-A1, input 224."""

_base_ = './repvgg_a0.py'
model = dict(backbone=dict(a=1))
