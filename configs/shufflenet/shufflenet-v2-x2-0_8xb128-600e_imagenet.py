"""ShuffleNet V2 2.0x on ImageNet, after torchvision's recipe for its weights.

tools/dist_train.sh configs/shufflenet/shufflenet-v2-x2-0_8xb128-600e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/shufflenet_v2_x2_0.py',
    '../_base_/recipes/imagenet_600e.py',
]
model = _base_.mixed_model
