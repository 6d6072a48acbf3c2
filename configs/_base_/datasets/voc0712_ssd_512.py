"""VOC 07+12 with SSD's augmentation at 512 x 512."""

_base_ = ['./voc0712.py', '../pipelines/ssd_512.py']
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
