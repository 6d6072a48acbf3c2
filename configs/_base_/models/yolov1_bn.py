"""YOLOv1 with batch norm after each convolution: not of the paper, but it
trains without the ImageNet weights that the paper starts from."""

_base_ = './yolov1.py'
norm_cfg = dict(type='BN')
model = dict(backbone=dict(norm_cfg=norm_cfg), neck=dict(norm_cfg=norm_cfg))
