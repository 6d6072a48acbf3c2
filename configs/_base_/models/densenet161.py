"""DenseNet-161, input 224."""

_base_ = './densenet121.py'
model = dict(backbone=dict(depth=161), head=dict(in_channels=2208))
