"""timm's Swin-T V2 with windows of 16, to which it gives another name."""

_base_ = './swin_t_timm.py'
model = dict(backbone=dict(arch='swinv2_tiny_window16_256'))
