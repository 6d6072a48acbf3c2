"""RepVGG-A0 on ImageNet, as the authors trained all but the largest.

tools/dist_train.sh configs/repvgg/repvgg-a0_8xb32-120e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/repvgg_a0.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/repvgg_120e.py',
    '../_base_/default_runtime.py',
]
