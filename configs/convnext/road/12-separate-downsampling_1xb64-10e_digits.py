"""The road from ResNet-50 to ConvNeXt: layers between the stages.

    python tools/train.py \\
        configs/convnext/road/12-separate-downsampling_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(
    backbone=dict(step='separate-downsampling'),
    neck=None,  # the head averages, and has a norm after it
    head=dict(
        _delete_=True,
        type='projects.ConvNeXtClsHead',
        num_classes=10,
        in_channels=192,
    ),
)
