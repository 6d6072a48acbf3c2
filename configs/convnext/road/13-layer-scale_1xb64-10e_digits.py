"""The road from ResNet-50 to ConvNeXt: layer scale, which makes it ConvNeXt-T.

    python tools/train.py \\
        configs/convnext/road/13-layer-scale_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(
    backbone=dict(step='layer-scale'),
    neck=None,  # the head averages, and has a norm after it
    head=dict(
        _delete_=True,
        type='projects.ConvNeXtClsHead',
        num_classes=10,
        in_channels=192,
    ),
)
