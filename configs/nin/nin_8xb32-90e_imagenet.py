"""Network in Network on ImageNet.

The paper names no schedule for it; this is torchvision's for AlexNet, whose
stem it has.

    tools/dist_train.sh configs/nin/nin_8xb32-90e_imagenet.py 8
"""

_base_ = ['../_base_/models/nin.py', '../_base_/recipes/imagenet_90e.py']
# a tenth of the rate for networks with batch norm
optim_wrapper = dict(optimizer=dict(lr=0.01))
