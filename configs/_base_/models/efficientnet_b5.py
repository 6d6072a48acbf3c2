"""EfficientNet-B5, input 456."""

_base_ = './efficientnet_b0.py'
model = dict(
    backbone=dict(arch='b5', norm_cfg=dict(type='BN', eps=1e-3, momentum=0.01)),
    head=dict(in_channels=2048, dropouts=(0.4,)),
)
