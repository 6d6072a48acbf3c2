"""AlexNet with the channels of the paper, input 224."""

_base_ = './alexnet.py'
model = dict(
    backbone=dict(arch='2012'),
    # dropout after each hidden layer
    head=dict(pool_size=5, dropouts=(0, 0.5, 0.5)),
)
