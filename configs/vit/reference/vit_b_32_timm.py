"""timm's ViT-B/32, to which it gives another name."""

_base_ = './vit_b_16_timm.py'
model = dict(backbone=dict(arch='vit_base_patch32_224'))
