"""EfficientNetV2-XL, input 512 (less in training).

Images are scaled to -1 to 1, as for the published weights.
"""

_base_ = './efficientnet_v2_s.py'
model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(arch='xl'),
    head=dict(dropouts=(0.4,)),
)
