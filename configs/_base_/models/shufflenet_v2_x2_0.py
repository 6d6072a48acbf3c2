"""ShuffleNet V2 of twice the width, input 224."""

_base_ = './shufflenet_v2_x1_0.py'
model = dict(backbone=dict(width_mult=2.0), head=dict(in_channels=2048))
