"""mmpretrain's ShuffleNet V2 of 1.5 times the width."""

_base_ = './shufflenet_v2_x1_0_mmpretrain.py'
model = dict(backbone=dict(widen_factor=1.5))
