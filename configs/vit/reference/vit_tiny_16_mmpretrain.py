"""mmpretrain's ViT-Ti/16, to which its wheel gives another name."""

_base_ = './vit_b_16_mmpretrain.py'
model = dict(backbone=dict(arch='deit-tiny'), head=dict(in_channels=192))
