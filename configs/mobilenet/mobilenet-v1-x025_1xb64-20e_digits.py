"""MobileNetV1 of width 0.25 on digits.

python tools/train.py configs/mobilenet/mobilenet-v1-x025_1xb64-20e_digits.py
"""

_base_ = ['../_base_/models/mobilenet_v1_x0_25.py', '../_base_/recipes/digits_64.py']
model = _base_.grey_model
