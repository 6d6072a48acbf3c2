"""Swin-T V2 on ImageNet at 256, the authors' recipe: top-1 81.8 % there. Not trained
here.

    tools/dist_train.sh configs/swin/swin-v2-t_8xb128-300e_imagenet.py 8
"""

_base_ = ['../_base_/models/swin_v2_t.py', '../_base_/recipes/imagenet_300e.py']
model = _base_.mixed_model
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=256)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=292)  # 256 / 0.875
test_pipeline[2].update(crop_size=256)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
# the rest of what does not decay has one dimension
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'cpb_mlp': dict(decay_mult=0.0),
            'logit_scale': dict(decay_mult=0.0),
        }
    )
)
