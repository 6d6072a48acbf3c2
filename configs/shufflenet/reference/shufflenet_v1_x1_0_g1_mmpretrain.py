"""mmpretrain's ShuffleNet V1 without groups."""

_base_ = './shufflenet_v1_x1_0_g3_mmpretrain.py'
model = dict(backbone=dict(groups=1), head=dict(in_channels=576))
