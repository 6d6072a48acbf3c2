"""SSD300 on COCO, the authors' schedule.

    tools/dist_train.sh configs/ssd/ssd300_4xb8-108e_coco.py 4 \\
        --cfg-options load_from=vgg16.pth

The paper starts from ImageNet weights of VGG-16: projects/ssd/README.md says
which file that is.
"""

_base_ = [
    '../_base_/models/ssd300_vgg16.py',
    '../_base_/datasets/coco_detection.py',
    '../_base_/pipelines/ssd_300.py',
    '../_base_/schedules/ssd_108e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        # an image without objects adds nothing to SSD's loss
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=_base_.train_pipeline,
    )
)
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='projects.DetectionPicturesHook'),
]
