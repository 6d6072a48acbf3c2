"""Swin-T V2 as torchvision has it, input 256."""

_base_ = './swin_t.py'
model = dict(backbone=dict(type='projects.SwinTransformerV2', window_size=8))
