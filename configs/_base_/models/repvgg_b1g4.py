"""RepVGG-B1g4, input 224."""

_base_ = './repvgg_b1.py'
model = dict(backbone=dict(groups=4))
