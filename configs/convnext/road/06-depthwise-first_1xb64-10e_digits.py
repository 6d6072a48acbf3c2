"""The road from ResNet-50 to ConvNeXt: the depthwise convolution moves up.

    python tools/train.py \\
        configs/convnext/road/06-depthwise-first_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='depthwise-first'), head=dict(in_channels=192))
