"""ShuffleNet V1 with two groups, input 224."""

_base_ = './shufflenet_v1_x1_0_g3.py'
model = dict(backbone=dict(groups=2), head=dict(in_channels=800))
