"""COCO with SSD's augmentation at 512 x 512."""

_base_ = ['./coco_detection.py', '../pipelines/ssd_512.py']
train_dataloader = dict(
    dataset=dict(
        # an image without objects adds nothing to SSD's loss
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=_base_.train_pipeline,
    )
)
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
