"""digits-coco: real handwritten digits on clutter, 2,000 + 300 images.

Made in ``data_root`` on first use (16 s on one core). For a harder or larger
set run ``tools/dataset_tools/make_digits_coco.py`` and name its folder here.
digits_coco_192.py sets the pipelines.
"""

dataset_type = 'projects.DigitsCocoDataset'
data_root = 'data/digits-coco'
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        split='train',
        data_root=data_root,
        # images without a digit teach what is none
        filter_cfg=dict(filter_empty_gt=False),
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, split='val', data_root=data_root, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='projects.CocoMetric',
    ann_file=data_root + '/annotations/val.json',
    metric='bbox',
)
test_evaluator = val_evaluator
