"""Swin-B V2 as torchvision has it, input 256."""

_base_ = './swin_v2_t.py'
model = dict(
    backbone=dict(arch='b', stochastic_depth_prob=0.5), head=dict(in_channels=1024)
)
