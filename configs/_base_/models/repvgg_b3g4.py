"""RepVGG-B3g4, input 224."""

_base_ = './repvgg_b3.py'
model = dict(backbone=dict(groups=4))
