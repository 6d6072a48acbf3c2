"""MobileNetV3-Small on ImageNet, as torchvision trained its V1 weights.

tools/dist_train.sh configs/mobilenet/mobilenet-v3-small_8xb128-600e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/mobilenet_v3_small.py',
    '../_base_/recipes/mobilenet_v3_imagenet.py',
]
