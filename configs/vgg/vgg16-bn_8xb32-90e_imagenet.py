"""VGG-16 with batch norm on ImageNet with torchvision's recipe.

tools/dist_train.sh configs/vgg/vgg16-bn_8xb32-90e_imagenet.py 8
"""

_base_ = ['../_base_/models/vgg16_bn.py', '../_base_/recipes/imagenet_90e.py']
