"""mmpretrain's MobileViT-S, to which its wheel gives another name."""

_base_ = './mobilevit_xxs_mmpretrain.py'
model = dict(backbone=dict(arch='small'), head=dict(in_channels=640))
