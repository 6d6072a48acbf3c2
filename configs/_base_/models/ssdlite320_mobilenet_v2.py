"""SSDLite on MobileNetV2 as in mmdetection, input 320: 3,234 boxes."""

_base_ = './ssdlite320_mobilenet_v3_large.py'
norm_cfg = _base_.norm_cfg
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        _delete_=True,
        type='projects.MobileNetV2',
        out_indices=(3, 5),
        norm_cfg=norm_cfg,
        init_cfg=dict(type='TruncNormal', layer='Conv2d', std=0.03),
    ),
    neck=dict(in_channels=(96, 1280)),
    bbox_head=dict(
        num_classes=80,
        in_channels=(96, 1280, 512, 256, 256, 128),
        default_boxes=dict(
            min_sizes=(48, 100, 150, 202, 253, 304),
            max_sizes=(100, 150, 202, 253, 304, 320),
            steps=(16, 32, 64, 107, 160, 320),
            max_side=None,
        ),
    ),
    test_cfg=dict(score_thr=0.02, nms_pre=400, nms_iou_thr=0.45, max_per_img=200),
)
