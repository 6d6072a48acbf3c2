"""All of a run but the model: ImageNet at 224 for 300 epochs, as Swin and ConvNeXt
are trained: AdamW, RandAugment, Mixup, CutMix, random erasing, label smoothing."""

_base_ = [
    '../datasets/imagenet.py',
    '../pipelines/imagenet_randaugment_224.py',
    '../schedules/adamw_cosine_300e.py',
    '../default_runtime.py',
]
train_dataloader = dict(
    batch_size=128, dataset=dict(pipeline=_base_.train_pipeline), drop_last=True
)
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
# what the recipe changes in a classifier
mixed_model = dict(
    data_preprocessor=dict(num_classes=1000),
    head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
    train_cfg=dict(
        augments=[  # one of the two for each batch
            dict(type='Mixup', alpha=0.8),
            dict(type='CutMix', alpha=1.0),
        ]
    ),
)
