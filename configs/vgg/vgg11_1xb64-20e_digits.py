"""VGG-11, a quarter as wide, on digits of 32 x 32 pixels.

Top-1 97.64 % (seed 0), trained in 23 s on two CPU cores.

    python tools/train.py configs/vgg/vgg11_1xb64-20e_digits.py
"""

_base_ = [
    '../_base_/models/vgg11.py',
    '../_base_/datasets/digits.py',
    '../_base_/pipelines/digits_32.py',
    '../_base_/schedules/digits_20e.py',
    '../_base_/default_runtime.py',
]
channels = (16, 32, 64, 128, 128)  # a sixteenth of the work
model = dict(
    data_preprocessor=dict(mean=[127.5], std=[127.5], to_rgb=False),
    backbone=dict(channels=channels, in_channels=1),
    # 32 pixels leave one of the last map, and ten classes need no 4,096
    head=dict(
        num_classes=10,
        in_channels=channels[-1],
        pool_size=1,
        hidden_channels=(512, 512),
        # 0.01 is meant for 4,096, too
        init_cfg=dict(_delete_=True, type='Kaiming', layer='Linear'),
    ),
)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [*_base_.custom_hooks, dict(type='projects.ChannelsLastHook')]
