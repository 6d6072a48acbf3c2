"""ResNet-101 on ImageNet, as torchvision trained its V1 weights.

tools/dist_train.sh configs/resnet/resnet101_8xb32-90e_imagenet.py 8
"""

_base_ = ['../_base_/models/resnet101.py', '../_base_/recipes/imagenet_90e.py']
