"""Swin-L with windows of 12, input 384."""

_base_ = './swin_l.py'
model = dict(backbone=dict(window_size=12))
