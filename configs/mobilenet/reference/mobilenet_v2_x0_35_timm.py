"""timm's MobileNetV2 of width 0.35, to which it gives another name."""

_base_ = './mobilenet_v1_x1_0_timm.py'
model = dict(backbone=dict(arch='mobilenetv2_035'))
