"""SSD-mini: YOLOv1-mini's backbone under SSD's head, input 192, for a CPU."""

default_scope = 'mmdet'
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[0, 0, 0], std=[255, 255, 255], bgr_to_rgb=True
    ),
    backbone=dict(
        type='projects.YOLOv1Backbone',
        arch='mini',
        out_indices=(2, 3),
        norm_cfg=dict(type='BN'),
    ),
    neck=dict(
        type='projects.SSDNeck',
        in_channels=(96, 192),
        extras=((192, 3, 2, 1),),
        norm_cfg=dict(type='BN'),
    ),
    bbox_head=dict(
        type='projects.SSDHead',
        num_classes=20,
        in_channels=(96, 192, 192),
        # Squares of 18 to 93 pixels: 99 of 100 digits above 27 pixels, and 86
        # of those below, have a default box with an IoU of 0.5 (README).
        default_boxes=dict(
            min_sizes=(18, 36, 72),
            max_sizes=(36, 72, 120),
            ratios=((1.5,), (1.5,), (1.5,)),
            steps=(8, 16, 32),
        ),
    ),
    test_cfg=dict(score_thr=0.01, nms_pre=400, nms_iou_thr=0.45, max_per_img=100),
)
