"""timm's ViT-L/16, to which it gives another name."""

_base_ = './vit_b_16_timm.py'
model = dict(backbone=dict(arch='vit_large_patch16_224'))
