"""Swin-S V2 as torchvision has it, input 256."""

_base_ = './swin_v2_t.py'
model = dict(backbone=dict(arch='s', stochastic_depth_prob=0.3))
