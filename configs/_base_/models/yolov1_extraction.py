"""The classifier whose 20 convolutions YOLOv1 starts from (Sec. 2.2)."""

default_scope = 'mmpretrain'
model = dict(
    type='projects.ImageClassifier',
    data_preprocessor=dict(
        mean=[0, 0, 0], std=[255, 255, 255], to_rgb=True, num_classes=1000
    ),
    backbone=dict(type='projects.YOLOv1Backbone', arch='extraction'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=1024),
)
