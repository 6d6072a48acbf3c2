"""EfficientNet-B0 on digits.

python tools/train.py configs/efficientnet/efficientnet-b0_1xb64-20e_digits.py
"""

_base_ = ['../_base_/models/efficientnet_b0.py', '../_base_/recipes/digits_32.py']
model = _base_.grey_model
# 480 steps are too few for what regularises 350 epochs, and for a final layer that
# begins with weights of 0.3 where there are ten classes
model['backbone']['stochastic_depth_prob'] = 0.0
model['head'].update(dropouts=(0.0,), init_cfg=None)
