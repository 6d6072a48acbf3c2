"""ConvNeXt-B on ImageNet at 384: the paper's fine-tuning of what the 300 epochs at 224
gave, whose averaged weights a checkpoint holds.

tools/dist_train.sh configs/convnext/convnext-base-384_8xb32-accum2-30e_imagenet.py 8
"""

_base_ = ['../_base_/models/convnext_base.py', '../_base_/recipes/convnext_30e.py']
pretrained = 'work_dirs/convnext-base_8xb64-accum8-300e_imagenet/epoch_300.pth'
model = _base_.smoothed_model
model.update(init_cfg=dict(type='projects.Pretrained', checkpoint=pretrained))
# 0.5 before: weights that are trained over-fit sooner
model.update(backbone=dict(stochastic_depth_prob=0.8))
