"""The road from ResNet-50 to ConvNeXt: GELU in place of ReLU.

    python tools/train.py \\
        configs/convnext/road/08-gelu_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='gelu'), head=dict(in_channels=192))
