"""The road from ResNet-50 to ConvNeXt: blocks that are wide in the middle.

    python tools/train.py \\
        configs/convnext/road/05-inverted-bottleneck_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='inverted-bottleneck'), head=dict(in_channels=192))
