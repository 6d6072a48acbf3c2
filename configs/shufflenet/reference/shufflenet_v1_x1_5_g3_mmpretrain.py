"""mmpretrain's ShuffleNet V1 of 1.5 times the width."""

_base_ = './shufflenet_v1_x1_0_g3_mmpretrain.py'
model = dict(backbone=dict(widen_factor=1.5), head=dict(in_channels=1440))
