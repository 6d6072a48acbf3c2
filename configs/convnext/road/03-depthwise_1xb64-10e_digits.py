"""The road from ResNet-50 to ConvNeXt: depthwise 3x3 convolutions.

    python tools/train.py \\
        configs/convnext/road/03-depthwise_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='depthwise'))
