"""COCO at 1333 x 800, images of like aspect in a batch, which is padded less."""

_base_ = ['./coco_detection.py', '../pipelines/coco_1333x800.py']
train_dataloader = dict(
    batch_size=2,
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=_base_.train_pipeline,
    ),
)
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
