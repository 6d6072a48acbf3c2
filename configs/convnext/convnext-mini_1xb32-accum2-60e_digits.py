"""A small ConvNeXt on digits with the recipe of ImageNet: accumulated batches, Mixup
and CutMix, erasing, smoothed labels, stochastic depth, averaged weights.

Top-1 97.98 % (seed 0), trained in 238 s on one CPU core.

    python tools/train.py configs/convnext/convnext-mini_1xb32-accum2-60e_digits.py
"""

_base_ = ['../_base_/models/convnext_tiny.py', '../_base_/recipes/digits_64.py']
num_classes = 10
model = dict(
    data_preprocessor=dict(
        mean=[127.5] * 3, std=[127.5] * 3, to_rgb=False, num_classes=num_classes
    ),
    # channels and blocks of the stages
    backbone=dict(arch=((24, 48, 96, 192), (1, 1, 3, 1)), stochastic_depth_prob=0.1),
    head=dict(
        num_classes=num_classes,
        in_channels=192,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
    ),
    train_cfg=dict(
        augments=[  # one of the two for each batch
            dict(type='Mixup', alpha=0.8),
            dict(type='CutMix', alpha=1.0),
        ]
    ),
)
# in the place of RandAugment, which would turn a 6 into a 9: stronger than for the
# other architectures
affine = dict(_base_.train_pipeline[2], degrees=12, scale=(0.85, 1.15), shear=12)
train_pipeline = [
    *_base_.train_pipeline[:2],
    affine,
    *_base_.train_pipeline[3:-1],
    dict(
        type='RandomErasing',
        erase_prob=0.25,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        fill_color=[127.5] * 3,
        fill_std=[127.5] * 3,
    ),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(
    batch_size=32, dataset=dict(num_channels=3, pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(num_channels=3))
test_dataloader = val_dataloader
num_batches = 2  # of a step
optim_wrapper = dict(
    accumulative_counts=num_batches,
    optimizer=dict(lr=0.004),
    paramwise_cfg=dict(
        flat_decay_mult=0, custom_keys=dict(layer_scale=dict(decay_mult=0))
    ),
)
max_epochs = 60
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=3 * 47),  # three epochs of 47 batches
    _base_.param_scheduler[1],
]
# of the last hundred steps, four epochs: 0.9999 would be of 400 epochs
ema_hook = dict(type='EMAHook', momentum=1 - 0.99, interval=num_batches)
custom_hooks = [*_base_.custom_hooks, ema_hook]
