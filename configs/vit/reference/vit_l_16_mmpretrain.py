"""mmpretrain's ViT-L/16, to which its wheel gives another name."""

_base_ = './vit_b_16_mmpretrain.py'
model = dict(backbone=dict(arch='large'), head=dict(in_channels=1024))
