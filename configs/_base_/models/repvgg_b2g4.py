"""RepVGG-B2g4, input 224."""

_base_ = './repvgg_b2.py'
model = dict(backbone=dict(groups=4))
