"""GoogLeNet with batch norm on ImageNet.

torchvision's weights were trained elsewhere and have no recipe; this is its
recipe for ResNet.

    tools/dist_train.sh configs/googlenet/googlenet_8xb32-90e_imagenet.py 8
"""

_base_ = ['../_base_/models/googlenet.py', '../_base_/recipes/imagenet_90e.py']
