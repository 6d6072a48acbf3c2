"""RepVGG-B3 on ImageNet, after the authors' recipe for the largest.

    tools/dist_train.sh configs/repvgg/repvgg-b3_8xb32-200e_imagenet.py 8

They name AutoAugment, label smoothing and mixup; how strong the last two are is
mmpretrain's.
"""

_base_ = [
    '../_base_/models/repvgg_b3.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/repvgg_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(num_classes=_base_.model.head.num_classes),
    head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)),
)
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(
        type='AutoAugment',
        policies='imagenet',
        # BGR
        hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'),
    ),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
