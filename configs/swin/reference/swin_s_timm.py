"""timm's Swin-S, to which it gives another name."""

_base_ = './swin_t_timm.py'
model = dict(backbone=dict(arch='swin_small_patch4_window7_224'))
