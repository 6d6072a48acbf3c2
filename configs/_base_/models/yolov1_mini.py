"""YOLOv1-mini: a small YOLOv1 of our own for a CPU, input 192, grid 12."""

_base_ = './yolov1.py'
model = dict(
    backbone=dict(arch='mini', norm_cfg=dict(type='BN')),
    neck=None,
    bbox_head=dict(
        in_channels=192,
        grid_size=12,
        # Two boxes hedge: one comes out wide, one narrow, and from few images
        # the confidences do not learn which is right (README, "Notes").
        num_boxes=1,
        predictor=dict(_delete_=True, type='projects.YOLOv1ConvPredictor'),
    ),
)
