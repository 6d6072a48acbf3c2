"""ConvNeXt-XL, input 224; its authors trained it on ImageNet-22k alone."""

_base_ = './convnext_tiny.py'
model = dict(
    backbone=dict(arch='xlarge', stochastic_depth_prob=0.2), head=dict(in_channels=2048)
)
