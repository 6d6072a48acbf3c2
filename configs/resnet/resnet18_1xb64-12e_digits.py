"""ResNet-18 on digits.

Top-1 98.99 % (seed 0), trained in 40 s on two CPU cores.

    python tools/train.py configs/resnet/resnet18_1xb64-12e_digits.py
"""

_base_ = [
    '../_base_/models/resnet18.py',
    '../_base_/datasets/digits.py',
    '../_base_/pipelines/digits_32.py',
    '../_base_/schedules/digits_20e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(mean=[127.5], std=[127.5], to_rgb=False),
    backbone=dict(in_channels=1),
    head=dict(num_classes=10),
)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
# 12 epochs do
max_epochs = 12
train_cfg = dict(max_epochs=max_epochs, val_interval=6)
param_scheduler = [
    _base_.param_scheduler[0],
    {**_base_.param_scheduler[1], 'end': max_epochs, 'T_max': max_epochs},
]
custom_hooks = [*_base_.custom_hooks, dict(type='projects.ChannelsLastHook')]
