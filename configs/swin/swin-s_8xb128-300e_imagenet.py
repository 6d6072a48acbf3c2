"""Swin-S on ImageNet, the authors' recipe, 1,024 images a step.

Their top-1 is 83.2 %. Not trained here.

    tools/dist_train.sh configs/swin/swin-s_8xb128-300e_imagenet.py 8
"""

_base_ = ['../_base_/models/swin_s.py', '../_base_/recipes/imagenet_300e.py']
model = _base_.mixed_model
# the rest of what does not decay has one dimension
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={'relative_position_bias_table': dict(decay_mult=0.0)}
    )
)
