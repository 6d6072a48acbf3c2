"""Fast YOLO (paper, Sec. 2.1): 9 thin convolutions, 448 x 448."""

_base_ = './yolov1.py'
model = dict(
    backbone=dict(arch='fast'),
    neck=None,
    bbox_head=dict(predictor=dict(bottleneck_channels=256)),
)
