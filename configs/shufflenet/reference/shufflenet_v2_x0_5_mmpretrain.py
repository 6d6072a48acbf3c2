"""mmpretrain's ShuffleNet V2 of half the width."""

_base_ = './shufflenet_v2_x1_0_mmpretrain.py'
model = dict(backbone=dict(widen_factor=0.5))
