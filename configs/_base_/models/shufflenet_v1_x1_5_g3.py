"""ShuffleNet V1 of 1.5 times the width, input 224."""

_base_ = './shufflenet_v1_x1_0_g3.py'
model = dict(backbone=dict(width_mult=1.5), head=dict(in_channels=1440))
