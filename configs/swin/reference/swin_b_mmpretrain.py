"""mmpretrain's Swin-B, to which its wheel gives another name."""

_base_ = './swin_t_mmpretrain.py'
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.5), head=dict(in_channels=1024)
)
