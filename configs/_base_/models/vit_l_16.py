"""ViT-L/16, input 224."""

_base_ = './vit_b_16.py'
model = dict(backbone=dict(arch='large'), head=dict(in_channels=1024))
