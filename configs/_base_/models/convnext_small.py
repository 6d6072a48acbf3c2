"""ConvNeXt-S, input 224."""

_base_ = './convnext_tiny.py'
model = dict(
    backbone=dict(arch='small', stochastic_depth_prob=0.4), head=dict(in_channels=768)
)
