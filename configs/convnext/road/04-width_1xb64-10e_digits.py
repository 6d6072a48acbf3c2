"""The road from ResNet-50 to ConvNeXt: half as wide again.

    python tools/train.py \\
        configs/convnext/road/04-width_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='width'), head=dict(in_channels=768))
