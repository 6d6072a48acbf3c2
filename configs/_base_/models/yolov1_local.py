"""darknet's ``yolov1.cfg`` of today: batch norm, a locally connected layer,
three boxes a cell; the large one whose weights are published."""

_base_ = './yolov1.py'
norm_cfg = dict(type='BN')
model = dict(
    backbone=dict(norm_cfg=norm_cfg),
    neck=dict(norm_cfg=norm_cfg),
    bbox_head=dict(
        num_boxes=3, predictor=dict(_delete_=True, type='projects.YOLOv1LocalPredictor')
    ),
)
