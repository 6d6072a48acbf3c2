"""ConvNeXt-B, input 224."""

_base_ = './convnext_tiny.py'
model = dict(
    backbone=dict(arch='base', stochastic_depth_prob=0.5), head=dict(in_channels=1024)
)
