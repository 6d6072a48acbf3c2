"""EfficientNet-B7, input 600."""

_base_ = './efficientnet_b0.py'
model = dict(
    backbone=dict(arch='b7', norm_cfg=dict(type='BN', eps=1e-3, momentum=0.01)),
    head=dict(in_channels=2560, dropouts=(0.5,)),
)
