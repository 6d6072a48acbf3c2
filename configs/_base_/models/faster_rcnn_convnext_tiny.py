"""Faster R-CNN on the feature pyramid of ConvNeXt-T, for COCO at 1333 x 800."""

_base_ = './faster_rcnn_fpn.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='projects.ConvNeXt',
        arch='tiny',
        stochastic_depth_prob=0.4,
        out_norms=True,
        out_indices=(0, 1, 2, 3),
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
