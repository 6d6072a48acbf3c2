"""Swin-L with windows of 12, input 384."""

_base_ = './swin_b_384.py'
model = dict(
    backbone=dict(arch='l', stochastic_depth_prob=0.2), head=dict(in_channels=1536)
)
