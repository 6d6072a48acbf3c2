"""ShuffleNet V2 1.5x on ImageNet, after torchvision's recipe for its weights.

tools/dist_train.sh configs/shufflenet/shufflenet-v2-x1-5_8xb128-600e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/shufflenet_v2_x1_5.py',
    '../_base_/recipes/imagenet_600e.py',
]
model = _base_.mixed_model
