"""timm's Swin-B at 384, to which it gives another name."""

_base_ = './swin_t_timm.py'
model = dict(backbone=dict(arch='swin_base_patch4_window12_384'))
