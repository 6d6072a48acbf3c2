"""VGG-16 (configuration D), input 224."""

_base_ = './vgg11.py'
model = dict(backbone=dict(depth=16))
