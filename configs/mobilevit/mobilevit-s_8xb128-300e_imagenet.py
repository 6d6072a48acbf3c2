"""MobileViT-S on ImageNet with the authors' recipe: 160 to 320 pixels.

tools/dist_train.sh configs/mobilevit/mobilevit-s_8xb128-300e_imagenet.py 8
"""

_base_ = ['../_base_/models/mobilevit_s.py', '../_base_/recipes/mobilevit_imagenet.py']
model = _base_.multi_scale_model
