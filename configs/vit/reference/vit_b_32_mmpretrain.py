"""mmpretrain's ViT-B/32, to which its wheel gives another name."""

_base_ = './vit_b_16_mmpretrain.py'
model = dict(backbone=dict(patch_size=32))
