"""mmpretrain's MobileViT-XS, to which its wheel gives another name."""

_base_ = './mobilevit_xxs_mmpretrain.py'
model = dict(backbone=dict(arch='x_small'), head=dict(in_channels=384))
