"""Swin-L V2 as ``swin_v2_t_w16``, of weights that were pre-trained at 192 with windows
of 12, and of 6 in the last stage."""

_base_ = './swin_v2_t_w16.py'
model = dict(
    backbone=dict(arch='l', pretrained_window_size=(12, 12, 12, 6)),
    head=dict(in_channels=1536),
)
