"""mmpretrain's ShuffleNet V1 with four groups."""

_base_ = './shufflenet_v1_x1_0_g3_mmpretrain.py'
model = dict(backbone=dict(groups=4), head=dict(in_channels=1088))
