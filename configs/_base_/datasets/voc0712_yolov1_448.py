"""VOC 07+12 with YOLOv1's augmentation at 448 x 448."""

_base_ = ['./voc0712.py', '../pipelines/yolov1_448.py']
train_dataloader = dict(
    dataset=dict(
        datasets=[
            {**dataset, 'pipeline': _base_.train_pipeline}
            for dataset in _base_.train_datasets
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
