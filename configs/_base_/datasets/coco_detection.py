"""COCO 2017: 118,287 training images, 5,000 for validation, 80 classes.

Expects data/coco/annotations, data/coco/train2017 and data/coco/val2017. For
data of your own in the COCO format see the README. coco_*_<size>.py set the
pipelines.
"""

data_root = 'data/coco/'
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='projects.CocoMetric',
    ann_file=data_root + 'annotations/instances_val2017.json',
)
test_evaluator = val_evaluator
