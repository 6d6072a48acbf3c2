"""ConvNeXt-T on ImageNet with the paper's recipe: 4,096 images a step, in eight parts.

tools/dist_train.sh configs/convnext/convnext-tiny_8xb64-accum8-300e_imagenet.py 8
"""

_base_ = ['../_base_/models/convnext_tiny.py', '../_base_/recipes/convnext_300e.py']
model = _base_.mixed_model
