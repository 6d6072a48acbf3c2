"""timm's Swin-L V2 with windows of 16, to which it gives another name."""

_base_ = './swin_t_timm.py'
model = dict(backbone=dict(arch='swinv2_large_window12to16_192to256'))
