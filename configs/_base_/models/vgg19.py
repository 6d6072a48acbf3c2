"""VGG-19 (configuration E), input 224."""

_base_ = './vgg11.py'
model = dict(backbone=dict(depth=19))
