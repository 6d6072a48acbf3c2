"""AlexNet with the paper's channels, normalisation and schedule on ImageNet.

python tools/train.py configs/alexnet/alexnet-2012_1xb128-90e_imagenet.py
"""

_base_ = [
    '../_base_/models/alexnet_2012.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/alexnet_90e.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(lrn_cfg=dict(type='projects.LocalResponseNorm')))
train_dataloader = dict(batch_size=128)
