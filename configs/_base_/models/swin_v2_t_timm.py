"""Swin-T V2 as the authors and timm have it: keys without bias; input 256."""

_base_ = './swin_v2_t.py'
model = dict(backbone=dict(key_bias=False))
