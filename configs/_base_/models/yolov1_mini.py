"""YOLOv1-mini: a small YOLOv1 of our own for a CPU, input 160, grid 10."""
_base_ = './yolov1.py'
model = dict(
    backbone=dict(arch='mini', norm_cfg=dict(type='BN')),
    neck=None,
    bbox_head=dict(
        in_channels=192,
        grid_size=10,
        predictor=dict(_delete_=True, type='projects.YOLOv1ConvPredictor')))
