"""ShuffleNet V2 of 1.5 times the width, input 224."""

_base_ = './shufflenet_v2_x1_0.py'
model = dict(backbone=dict(width_mult=1.5))
