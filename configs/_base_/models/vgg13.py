"""VGG-13 (configuration B), input 224."""

_base_ = './vgg11.py'
model = dict(backbone=dict(depth=13))
