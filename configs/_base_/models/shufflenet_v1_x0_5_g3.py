"""ShuffleNet V1 of half the width, input 224."""

_base_ = './shufflenet_v1_x1_0_g3.py'
model = dict(backbone=dict(width_mult=0.5), head=dict(in_channels=480))
