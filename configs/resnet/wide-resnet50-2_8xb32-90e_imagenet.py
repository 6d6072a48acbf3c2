"""Wide ResNet-50-2 on ImageNet, as torchvision trained its V1 weights.

tools/dist_train.sh configs/resnet/wide-resnet50-2_8xb32-90e_imagenet.py 8
"""

_base_ = ['../_base_/models/wide_resnet50_2.py', '../_base_/recipes/imagenet_90e.py']
