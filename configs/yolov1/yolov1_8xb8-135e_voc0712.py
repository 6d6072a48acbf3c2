"""YOLOv1 at 448 x 448 on VOC 07+12, with the paper's schedule.

    tools/dist_train.sh configs/yolov1/yolov1_8xb8-135e_voc0712.py 8 \\
        --cfg-options load_from=extraction.pth

The paper starts from ImageNet weights of the first 20 convolutions; turn
darknet's into ``extraction.pth`` with tools/model_converters/darknet.py.
"""

_base_ = [
    '../_base_/models/yolov1.py',
    '../_base_/datasets/voc0712.py',
    '../_base_/pipelines/yolov1_448.py',
    '../_base_/schedules/yolov1_135e.py',
    '../_base_/default_runtime.py',
]
# darknet's objective is half the paper's sum; the rates of its schedule, which
# are the paper's, belong to it
model = dict(
    bbox_head=dict(
        num_classes=20,
        coord_scale=2.5,
        object_scale=0.5,
        noobject_scale=0.25,
        class_scale=0.5,
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
