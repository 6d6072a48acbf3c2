"""The road from ResNet-50 to ConvNeXt: kernels of 7x7.

    python tools/train.py \\
        configs/convnext/road/07-kernel-7_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='kernel-7'), head=dict(in_channels=192))
