"""MobileNetV2 of width 0.35 on digits.

python tools/train.py configs/mobilenet/mobilenet-v2-x035_1xb64-20e_digits.py
"""

_base_ = ['../_base_/models/mobilenet_v2_x0_35.py', '../_base_/recipes/digits_64.py']
model = _base_.grey_model
