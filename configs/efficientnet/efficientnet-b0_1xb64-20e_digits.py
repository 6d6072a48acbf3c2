"""EfficientNet-B0 on digits.

python tools/train.py configs/efficientnet/efficientnet-b0_1xb64-20e_digits.py
"""

_base_ = ['../_base_/models/efficientnet_b0.py', '../_base_/recipes/digits_32.py']
model = _base_.grey_model
