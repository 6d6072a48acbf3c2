"""SSDLite on MobileNetV3-Large as in torchvision, input 320: 3,234 boxes.

90 classes are the category ids of COCO, of which ten have no objects.
"""

default_scope = 'mmdet'
norm_cfg = dict(type='BN', eps=0.001, momentum=0.03)
act_cfg = dict(type='ReLU6')
init_cfg = dict(type='Normal', layer='Conv2d', std=0.03)
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='projects.MobileNetV3',
        arch='large',
        reduced_tail=True,
        tap_expansion=True,
        out_indices=(3, 5),
        norm_cfg=norm_cfg,
        init_cfg=init_cfg,
    ),
    neck=dict(
        type='projects.SSDNeck',
        in_channels=(672, 480),
        extras=((512, 3, 2, 1), (256, 3, 2, 1), (256, 3, 2, 1), (128, 3, 2, 1)),
        use_depthwise=True,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        init_cfg=init_cfg,
    ),
    bbox_head=dict(
        type='projects.SSDHead',
        num_classes=90,
        in_channels=(672, 480, 512, 256, 256, 128),
        # shares of 320: 0.2 to 0.95 in steps of 0.15, then 1
        default_boxes=dict(
            min_sizes=(64, 112, 160, 208, 256, 304),
            max_sizes=(112, 160, 208, 256, 304, 320),
            ratios=((2, 3),) * 6,
            steps=(16, 32, 64, 320 / 3, 160, 320),
            max_side=320,
        ),
        use_depthwise=True,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        init_cfg=init_cfg,
    ),
    test_cfg=dict(score_thr=0.001, nms_pre=300, nms_iou_thr=0.55, max_per_img=300),
)
