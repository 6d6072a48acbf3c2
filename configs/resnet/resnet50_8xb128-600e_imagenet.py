"""ResNet-50 on ImageNet, after torchvision's recipe for its V2 weights.

tools/dist_train.sh configs/resnet/resnet50_8xb128-600e_imagenet.py 8
"""

_base_ = ['../_base_/models/resnet50.py', '../_base_/recipes/imagenet_600e.py']
model = _base_.mixed_model
