"""ShuffleNet V1 without groups, and so without a shuffle, input 224."""

_base_ = './shufflenet_v1_x1_0_g3.py'
model = dict(backbone=dict(groups=1), head=dict(in_channels=576))
