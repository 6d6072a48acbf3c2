"""Pascal VOC: trains on 2007 + 2012 trainval, evaluated on 2007 test.

Expects data/VOCdevkit/VOC2007 and data/VOCdevkit/VOC2012 as the archives
unpack. voc0712_*.py set the pipelines.
"""

data_root = 'data/VOCdevkit/'
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ConcatDataset',
        ignore_keys=['dataset_type'],  # VOC2007, VOC2012
        # train_datasets with a pipeline each: lists are not merged
        datasets=[],
    ),
)
train_datasets = [
    dict(
        type='VOCDataset',
        data_root=data_root,
        ann_file=f'VOC{year}/ImageSets/Main/trainval.txt',
        data_prefix=dict(sub_data_root=f'VOC{year}/'),
    )
    for year in (2007, 2012)
]
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='VOCDataset',
        data_root=data_root,
        ann_file='VOC2007/ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
# the 11-point average is VOC 2007's own, and the papers'
val_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='11points')
test_evaluator = val_evaluator
