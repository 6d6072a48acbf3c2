"""EfficientNetV2-M on ImageNet with progressive learning (paper, Sec. 4, Table 6).

Trained at 128 to 380 pixels in four stages, with mixup from the second on, evaluated
at 480. On 32 GPUs:

    GPUS=32 tools/slurm_train.sh PARTITION efficientnet-v2-m \\
        configs/efficientnetv2/efficientnet-v2-m_32xb128-350e_imagenet.py \\
        work_dirs/efficientnet-v2-m
"""

_base_ = './efficientnet-v2-s_32xb128-350e_imagenet.py'
model = dict(
    data_preprocessor=dict(num_classes=_base_.model.head.num_classes),
    backbone=dict(arch='m'),
    head=dict(dropouts=(0.3,)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2)]),
)
input_size = 480
test_pipeline = [
    _base_.test_pipeline[0],
    {**_base_.test_pipeline[1], 'scale': input_size},
    {**_base_.test_pipeline[2], 'crop_size': input_size},
    _base_.test_pipeline[3],
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
progressive = {
    **_base_.progressive,
    'image_size': (128, 380),
    'magnitude': (5, 20),
    'mixup_alpha': (0, 0.2),
    'dropout': (0.1, 0.4),
}
custom_hooks = [*_base_.custom_hooks[:-1], progressive]
