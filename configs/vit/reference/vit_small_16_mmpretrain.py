"""mmpretrain's ViT-S/16, to which its wheel gives another name."""

_base_ = './vit_b_16_mmpretrain.py'
model = dict(backbone=dict(arch='deit-small'), head=dict(in_channels=384))
