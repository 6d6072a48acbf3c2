"""timm's MobileNetV3-Small, to which it gives another name."""

_base_ = './mobilenet_v1_x1_0_timm.py'
model = dict(backbone=dict(arch='mobilenetv3_small_100'))
