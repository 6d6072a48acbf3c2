"""mmpretrain's ShuffleNet V2 of twice the width."""

_base_ = './shufflenet_v2_x1_0_mmpretrain.py'
model = dict(backbone=dict(widen_factor=2.0), head=dict(in_channels=2048))
