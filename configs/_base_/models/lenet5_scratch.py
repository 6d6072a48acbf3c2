"""LeNet-5 of today, every layer from scratch, input 28, one channel."""

_base_ = './lenet5_modern.py'
relu = dict(type='projects.ScratchReLU', inplace=True)
model = dict(
    backbone=dict(
        conv_cfg=dict(type='projects.ScratchConv2d'),
        norm_cfg=dict(type='projects.ScratchBatchNorm2d'),
        act_cfg=relu,
        pool_cfg=dict(type='projects.ScratchMaxPool2d'),
        # MMEngine's initialisers know layers by the name of their class
        init_cfg=dict(type='Xavier', layer='ScratchConv2d', distribution='uniform'),
    ),
    head=dict(
        act_cfg=relu,
        pool_cfg=dict(type='projects.ScratchAdaptiveAvgPool2d'),
        linear_cfg=dict(type='projects.ScratchLinear'),
        dropout_cfg=dict(type='projects.ScratchDropout'),
        init_cfg=dict(layer='ScratchLinear'),
    ),
)
