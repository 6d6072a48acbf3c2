"""The classifier with batch norm, for the detectors with batch norm."""

_base_ = './yolov1_extraction.py'
model = dict(backbone=dict(norm_cfg=dict(type='BN')))
