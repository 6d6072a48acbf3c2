"""timm's Swin-S V2, to which it gives another name."""

_base_ = './swin_t_timm.py'
model = dict(backbone=dict(arch='swinv2_small_window8_256'))
