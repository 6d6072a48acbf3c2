"""MobileNetV2 on ImageNet, as torchvision trained its V1 weights.

tools/dist_train.sh configs/mobilenet/mobilenet-v2_8xb32-300e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/mobilenet_v2.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/mobilenet_v2_300e.py',
    '../_base_/default_runtime.py',
]
