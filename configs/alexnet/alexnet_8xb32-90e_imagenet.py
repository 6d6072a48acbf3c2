"""AlexNet on ImageNet with torchvision's recipe.

tools/dist_train.sh configs/alexnet/alexnet_8xb32-90e_imagenet.py 8
"""

_base_ = ['../_base_/models/alexnet.py', '../_base_/recipes/imagenet_90e.py']
# a tenth of the rate for networks with batch norm
optim_wrapper = dict(optimizer=dict(lr=0.01))
