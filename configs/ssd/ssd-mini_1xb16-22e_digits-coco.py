"""SSD-mini on digits-coco: bbox_mAP 0.722, bbox_mAP_50 0.930 (seed 0).

Trained in 7 min 28 s on two CPU cores.

    python tools/train.py configs/ssd/ssd-mini_1xb16-22e_digits-coco.py
"""

_base_ = [
    '../_base_/models/ssd_mini.py',
    '../_base_/datasets/digits_coco.py',
    '../_base_/pipelines/digits_192.py',
    '../_base_/schedules/adamw_cosine_22e.py',
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
