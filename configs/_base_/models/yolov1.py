"""YOLOv1 as in the paper: 24 convolutions, two connected layers, 448 x 448."""

default_scope = 'mmdet'
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[0, 0, 0],  # darknet: RGB in [0, 1], nothing subtracted
        std=[255, 255, 255],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='projects.YOLOv1Backbone', arch='extraction'),
    neck=dict(type='projects.YOLOv1Neck', in_channels=1024),
    bbox_head=dict(
        type='projects.YOLOv1Head',
        num_classes=20,
        in_channels=1024,
        grid_size=7,
        num_boxes=2,
        predictor=dict(type='projects.YOLOv1ConnectedPredictor', hidden_channels=4096),
    ),
    # darknet's evaluation; 7 * 7 * 2 boxes of 20 classes are 1,960 candidates
    test_cfg=dict(score_thr=0.001, nms_pre=1000, nms_iou_thr=0.5, max_per_img=100),
)
