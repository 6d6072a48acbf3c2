"""Swin-T V2 with windows of 16, and of 8 in the last stage, which has no more tokens;
input 256."""

_base_ = './swin_v2_t_timm.py'
model = dict(backbone=dict(window_size=(16, 16, 16, 8)))
