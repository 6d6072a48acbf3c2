"""ShuffleNet V1 of twice the width, input 224."""

_base_ = './shufflenet_v1_x1_0_g3.py'
model = dict(backbone=dict(width_mult=2.0), head=dict(in_channels=1920))
