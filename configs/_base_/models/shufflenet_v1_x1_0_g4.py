"""ShuffleNet V1 with four groups, input 224."""

_base_ = './shufflenet_v1_x1_0_g3.py'
model = dict(backbone=dict(groups=4), head=dict(in_channels=1088))
