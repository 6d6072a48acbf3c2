"""The road from ResNet-50 to ConvNeXt: one activation in a block.

    python tools/train.py \\
        configs/convnext/road/09-fewer-activations_1xb64-10e_digits.py
"""

_base_ = './00-resnet50_1xb64-10e_digits.py'
model = dict(backbone=dict(step='fewer-activations'), head=dict(in_channels=192))
