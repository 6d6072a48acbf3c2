"""mmpretrain's ShuffleNet V1 with two groups."""

_base_ = './shufflenet_v1_x1_0_g3_mmpretrain.py'
model = dict(backbone=dict(groups=2), head=dict(in_channels=800))
