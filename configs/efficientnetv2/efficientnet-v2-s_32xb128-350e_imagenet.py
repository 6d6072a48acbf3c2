"""EfficientNetV2-S on ImageNet with progressive learning (paper, Sec. 4, Table 6).

Trained at 128 to 300 pixels in four stages, evaluated at 384. On 32 GPUs:

    GPUS=32 tools/slurm_train.sh PARTITION efficientnet-v2-s \\
        configs/efficientnetv2/efficientnet-v2-s_32xb128-350e_imagenet.py \\
        work_dirs/efficientnet-v2-s

Mixup stays off for S. The magnitude of RandAugment counts tenths of its policies'
ranges, so that the last stage goes beyond them, as in the authors' code.
"""

_base_ = [
    '../_base_/models/efficientnet_v2_s.py',
    '../_base_/recipes/efficientnet_350e.py',
]
model = _base_.smoothed_model
input_size = 384
train_pipeline = [
    _base_.train_pipeline[0],
    dict(
        type='projects.Progressive',
        transform={**_base_.train_pipeline[1], 'scale': 300},
        key='scale',
        follows='image_size',
    ),
    _base_.train_pipeline[2],
    dict(
        type='projects.Progressive',
        transform=dict(
            type='RandAugment',
            policies='timm_increasing',
            num_policies=2,
            magnitude_level=15,
        ),
        key='magnitude_level',
        follows='magnitude',
    ),
    _base_.train_pipeline[-1],
]
test_pipeline = [
    _base_.test_pipeline[0],
    {**_base_.test_pipeline[1], 'scale': input_size},
    {**_base_.test_pipeline[2], 'crop_size': input_size},
    _base_.test_pipeline[3],
]
train_dataloader = dict(batch_size=128, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
progressive = dict(
    type='projects.ProgressiveLearningHook',
    num_stages=4,
    image_size=(128, 300),
    magnitude=(5, 15),
    dropout=(0.1, 0.3),
)
custom_hooks = [*_base_.custom_hooks, progressive]
