"""From detection to classification: 100 labelled digits, and the backbone of
YOLOv1-mini as it was trained to find digits on clutter.

    python tools/train.py configs/yolov1/yolov1-mini_1xb16-15e_digits-coco.py
    python tools/train.py \\
        configs/yolov1/yolov1-mini-cls_1xb20-60e_digits-100.py

This trains all of it; --cfg-options model.trainable_stages=1 the last stage
and the head, model.trainable_stages=0 the final layer alone, and
model.init_cfg=None starts from random weights. Results are in README.md.
"""

_base_ = ['../_base_/recipes/digits_64.py']
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
    ),
)
val_dataloader = dict(dataset=dict(num_channels=3))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=60, val_interval=10)
auto_scale_lr = dict(base_batch_size=20)
