"""ShuffleNet V1 with three groups on ImageNet, after the authors' recipe.

    tools/dist_train.sh \\
        configs/shufflenet/shufflenet-v1-x1-0-g3_8xb128-240e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/shufflenet_v1_x1_0_g3.py',
    '../_base_/recipes/imagenet_240e.py',
]
model = _base_.smoothed_model
