"""mmpretrain's ShuffleNet V1 with eight groups."""

_base_ = './shufflenet_v1_x1_0_g3_mmpretrain.py'
model = dict(backbone=dict(groups=8), head=dict(in_channels=1536))
