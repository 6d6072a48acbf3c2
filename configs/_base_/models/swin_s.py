"""Swin-S, input 224."""

_base_ = './swin_t.py'
model = dict(backbone=dict(arch='s', stochastic_depth_prob=0.3))
