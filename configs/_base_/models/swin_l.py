"""Swin-L, input 224."""

_base_ = './swin_t.py'
model = dict(backbone=dict(arch='l'), head=dict(in_channels=1536))
