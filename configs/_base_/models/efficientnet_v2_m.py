"""EfficientNetV2-M, input 480 (less in training)."""

_base_ = './efficientnet_v2_s.py'
model = dict(backbone=dict(arch='m'), head=dict(dropouts=(0.3,)))
