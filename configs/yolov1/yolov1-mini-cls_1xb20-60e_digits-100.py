"""From detection to classification: 100 labelled digits, and the backbone of
YOLOv1-mini as it was trained to find digits on clutter.

    python tools/train.py configs/yolov1/yolov1-mini_1xb16-15e_digits-coco.py
    python tools/train.py \\
        configs/yolov1/yolov1-mini-cls_1xb20-60e_digits-100.py

This trains all of it; --cfg-options model.trainable_stages=1 the last stage
and the head, model.trainable_stages=0 the final layer alone, and
model.init_cfg=None starts from random weights. Results are in README.md.
"""

_base_ = [
    '../_base_/datasets/digits.py',
    '../_base_/pipelines/digits_64.py',
    '../_base_/schedules/digits_20e.py',
    '../_base_/default_runtime.py',
]
default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    trainable_stages=None,
    data_preprocessor=dict(mean=[0, 0, 0], std=[255, 255, 255], to_rgb=True),
    backbone=dict(
        type='projects.YOLOv1Backbone', arch='mini', norm_cfg=dict(type='BN')
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=192),
    init_cfg=dict(
        type='projects.Pretrained',
        checkpoint='work_dirs/yolov1-mini_1xb16-15e_digits-coco/epoch_15.pth',
    ),
)
train_dataloader = dict(
    batch_size=20,
    dataset=dict(
        num_channels=3,
        indices=list(range(0, 1500, 15)),  # of every writer
        pipeline=_base_.train_pipeline,
    ),
)
val_dataloader = dict(dataset=dict(num_channels=3, pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
max_epochs = 60
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
param_scheduler = [
    _base_.param_scheduler[0],
    {**_base_.param_scheduler[1], 'end': max_epochs, 'T_max': max_epochs},
]
auto_scale_lr = dict(base_batch_size=20)
