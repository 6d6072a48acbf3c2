"""Swin-B with windows of 12, input 384."""

_base_ = './swin_b.py'
model = dict(backbone=dict(window_size=12))
