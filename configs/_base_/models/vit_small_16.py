"""ViT-S/16, of DeiT's width, input 224."""

_base_ = './vit_b_16.py'
model = dict(backbone=dict(arch='small'), head=dict(in_channels=384))
