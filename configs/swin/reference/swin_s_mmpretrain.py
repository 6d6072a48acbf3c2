"""mmpretrain's Swin-S, to which its wheel gives another name."""

_base_ = './swin_t_mmpretrain.py'
model = dict(backbone=dict(arch='small', drop_path_rate=0.3))
