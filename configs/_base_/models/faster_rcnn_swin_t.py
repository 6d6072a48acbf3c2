"""Faster R-CNN on the feature pyramid of Swin-T, for COCO at 1333 x 800."""

_base_ = './faster_rcnn_fpn.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='projects.SwinTransformer',
        arch='t',
        out_indices=(0, 1, 2, 3),
        out_norms=True,
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
