"""DenseNet-121 on ImageNet, after the paper (Sec. 4.1 and 4.2).

    tools/dist_train.sh configs/densenet/densenet121_8xb32-90e_imagenet.py 8

Rate, batch, epochs and decay are those of ResNet, with Nesterov's momentum;
known from secondary sources.
"""

_base_ = ['../_base_/models/densenet121.py', '../_base_/recipes/imagenet_90e.py']
optim_wrapper = dict(optimizer=dict(nesterov=True))
