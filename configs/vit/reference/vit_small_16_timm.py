"""timm's ViT-S/16, to which it gives another name."""

_base_ = './vit_b_16_timm.py'
model = dict(backbone=dict(arch='vit_small_patch16_224'))
