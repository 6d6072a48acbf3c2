"""The road from ResNet-50 to ConvNeXt: a stem of 4x4 patches.

    python tools/train.py \\
        configs/convnext/road/02-patchify-stem_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='patchify-stem'))
