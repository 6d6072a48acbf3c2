"""SSD300 on VGG-16 (paper, Fig. 2), default boxes for COCO: 8,732."""

default_scope = 'mmdet'
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123, 117, 104],  # RGB, of the VGG that the authors start from
        std=[1, 1, 1],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='projects.SSDVGG'),
    neck=dict(
        type='projects.SSDNeck',
        in_channels=(512, 1024),
        extras=((512, 3, 2, 1), (256, 3, 2, 1), (256, 3, 1, 0), (256, 3, 1, 0)),
        l2_norm_scale=20,
    ),
    bbox_head=dict(
        type='projects.SSDHead',
        num_classes=80,
        in_channels=(512, 1024, 512, 256, 256, 256),
        # shares of 300 in percent: 7, then 15 to 87 in steps of 18, 105
        default_boxes=dict(
            min_sizes=(21, 45, 99, 153, 207, 261),
            max_sizes=(45, 99, 153, 207, 261, 315),
            ratios=((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
            steps=(8, 16, 32, 64, 100, 300),
        ),
    ),
    # the authors' evaluation
    test_cfg=dict(score_thr=0.01, nms_pre=400, nms_iou_thr=0.45, max_per_img=200),
)
