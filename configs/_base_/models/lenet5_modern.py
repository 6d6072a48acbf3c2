"""LeNet-5 as one would build it today: ReLU, max pooling, batch norm."""

_base_ = './lenet5.py'
model = dict(
    backbone=dict(
        norm_cfg=dict(type='BN'),
        act_cfg=dict(type='ReLU', inplace=True),
        pool_cfg=dict(type='projects.MaxPool2d'),
    ),
    head=dict(act_cfg=dict(type='ReLU', inplace=True), dropouts=(0, 0, 0.5)),
)
