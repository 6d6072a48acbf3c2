"""ShuffleNet V2 on ImageNet, after the authors' recipe.

The paper trains V2 as V1 (Sec. 4).

    tools/dist_train.sh configs/shufflenet/shufflenet-v2-x1-0_8xb128-240e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/shufflenet_v2_x1_0.py',
    '../_base_/recipes/imagenet_240e.py',
]
model = _base_.smoothed_model
