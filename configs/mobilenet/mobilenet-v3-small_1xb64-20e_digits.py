"""MobileNetV3-Small on digits.

python tools/train.py configs/mobilenet/mobilenet-v3-small_1xb64-20e_digits.py
"""

_base_ = ['../_base_/models/mobilenet_v3_small.py', '../_base_/recipes/digits_64.py']
model = _base_.grey_model
