"""EfficientNet-B4, input 380."""

_base_ = './efficientnet_b0.py'
model = dict(backbone=dict(arch='b4'), head=dict(in_channels=1792, dropouts=(0.4,)))
