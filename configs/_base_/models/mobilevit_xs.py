"""MobileViT-XS, input 256."""

_base_ = './mobilevit_xxs.py'
model = dict(backbone=dict(arch='xs'), head=dict(in_channels=384))
