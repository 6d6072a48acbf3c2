"""The road from ResNet-50 to ConvNeXt: layer norm in place of batch norm.

    python tools/train.py \\
        configs/convnext/road/11-layer-norm_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='layer-norm'), head=dict(in_channels=192))
