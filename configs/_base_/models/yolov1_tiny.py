"""darknet's ``yolov1-tiny.cfg``: 8 convolutions with batch norm and a single
connected layer; the light one whose weights are published."""

_base_ = './yolov1.py'
model = dict(
    backbone=dict(arch='tiny', norm_cfg=dict(type='BN')),
    neck=None,
    bbox_head=dict(in_channels=256, predictor=dict(hidden_channels=None)),
)
