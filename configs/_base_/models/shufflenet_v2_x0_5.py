"""ShuffleNet V2 of half the width, input 224."""

_base_ = './shufflenet_v2_x1_0.py'
model = dict(backbone=dict(width_mult=0.5))
