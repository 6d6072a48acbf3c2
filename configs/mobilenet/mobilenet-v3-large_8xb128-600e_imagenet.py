"""MobileNetV3-Large on ImageNet, as torchvision trained its V1 weights.

tools/dist_train.sh configs/mobilenet/mobilenet-v3-large_8xb128-600e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/mobilenet_v3_large.py',
    '../_base_/recipes/mobilenet_v3_imagenet.py',
]
