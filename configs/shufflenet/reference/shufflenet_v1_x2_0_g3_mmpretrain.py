"""mmpretrain's ShuffleNet V1 of twice the width."""

_base_ = './shufflenet_v1_x1_0_g3_mmpretrain.py'
model = dict(backbone=dict(widen_factor=2.0), head=dict(in_channels=1920))
