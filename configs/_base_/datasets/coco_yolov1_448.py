"""COCO with YOLOv1's augmentation at 448 x 448."""

_base_ = ['./coco_detection.py', '../pipelines/yolov1_448.py']
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
