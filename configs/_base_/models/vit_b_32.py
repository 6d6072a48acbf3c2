"""ViT-B/32, input 224."""

_base_ = './vit_b_16.py'
model = dict(backbone=dict(patch_size=32))
