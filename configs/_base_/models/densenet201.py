"""DenseNet-201, input 224."""

_base_ = './densenet121.py'
model = dict(backbone=dict(depth=201), head=dict(in_channels=1920))
