"""timm's Swin-L, to which it gives another name."""

_base_ = './swin_t_timm.py'
model = dict(backbone=dict(arch='swin_large_patch4_window7_224'))
