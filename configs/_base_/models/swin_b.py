"""Swin-B, input 224."""

_base_ = './swin_t.py'
model = dict(
    backbone=dict(arch='b', stochastic_depth_prob=0.5), head=dict(in_channels=1024)
)
