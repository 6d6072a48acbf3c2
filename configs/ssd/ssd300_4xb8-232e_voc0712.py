"""SSD300 on VOC 07+12, the authors' schedule.

    tools/dist_train.sh configs/ssd/ssd300_4xb8-232e_voc0712.py 4 \\
        --cfg-options load_from=vgg16.pth

The paper starts from ImageNet weights of VGG-16: projects/ssd/README.md says
which file that is.
"""

_base_ = [
    '../_base_/models/ssd300_vgg16.py',
    '../_base_/datasets/voc0712.py',
    '../_base_/pipelines/ssd_300.py',
    '../_base_/schedules/ssd_232e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    bbox_head=dict(
        num_classes=20,
        # objects are larger than COCO's: 10, then 20 to 88 in steps of 17,
        # 105 percent of 300
        default_boxes=dict(
            min_sizes=(30, 60, 111, 162, 213, 264),
            max_sizes=(60, 111, 162, 213, 264, 315),
        ),
        use_ignored=True,
    )
)
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type='VOCDataset',
                data_root=_base_.data_root,
                ann_file=f'VOC{year}/ImageSets/Main/trainval.txt',
                data_prefix=dict(sub_data_root=f'VOC{year}/'),
                pipeline=_base_.train_pipeline,
            )
            for year in (2007, 2012)
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='projects.DetectionPicturesHook'),
]
