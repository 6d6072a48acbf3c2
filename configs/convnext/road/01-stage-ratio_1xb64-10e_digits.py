"""The road from ResNet-50 to ConvNeXt: blocks 3-3-9-3 in place of 3-4-6-3.

    python tools/train.py \\
        configs/convnext/road/01-stage-ratio_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='stage-ratio'))
