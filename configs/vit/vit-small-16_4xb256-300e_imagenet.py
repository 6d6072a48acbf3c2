"""ViT-S/16 on ImageNet alone, after DeiT's recipe; its authors reached 79.9 %.

    tools/dist_train.sh configs/vit/vit-small-16_4xb256-300e_imagenet.py 4

Without distillation. The average of the weights that the authors keep beside them is
left out: their figures are not of it.
"""

_base_ = ['../_base_/models/vit_small_16.py', '../_base_/recipes/imagenet_300e.py']
model = _base_.mixed_model
model['backbone'] = dict(stochastic_depth_prob=0.1)
train_dataloader = dict(
    batch_size=256,
    sampler=dict(_delete_=True, type='RepeatAugSampler', num_repeats=3),
)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(
            class_token=dict(decay_mult=0), pos_embedding=dict(decay_mult=0)
        )
    ),
    clip_grad=None,
)
warmup_epochs = 5
param_scheduler = [
    {**_base_.param_scheduler[0], 'end': warmup_epochs},
    {**_base_.param_scheduler[1], 'begin': warmup_epochs},
]
