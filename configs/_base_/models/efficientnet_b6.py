"""EfficientNet-B6, input 528."""

_base_ = './efficientnet_b0.py'
model = dict(
    backbone=dict(arch='b6', norm_cfg=dict(type='BN', eps=1e-3, momentum=0.01)),
    head=dict(in_channels=2304, dropouts=(0.5,)),
)
