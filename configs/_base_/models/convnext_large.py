"""ConvNeXt-L, input 224."""

_base_ = './convnext_tiny.py'
model = dict(
    backbone=dict(arch='large', stochastic_depth_prob=0.5), head=dict(in_channels=1536)
)
