"""GoogLeNet without batch norm on ImageNet with Caffe's quick recipe.

    python tools/train.py \
        configs/googlenet/googlenet-paper_1xb32-60e_imagenet.py
"""

_base_ = [
    '../_base_/models/googlenet_paper.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/googlenet_60e.py',
    '../_base_/default_runtime.py',
]
