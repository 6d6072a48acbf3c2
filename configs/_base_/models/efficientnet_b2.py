"""EfficientNet-B2, input 260."""

_base_ = './efficientnet_b0.py'
model = dict(backbone=dict(arch='b2'), head=dict(in_channels=1408, dropouts=(0.3,)))
