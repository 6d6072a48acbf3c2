"""MobileViT-S, input 256."""

_base_ = './mobilevit_xxs.py'
model = dict(backbone=dict(arch='s'), head=dict(in_channels=640))
