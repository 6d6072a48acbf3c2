"""MobileNetV1 of width 0.25 on digits.

Top-1 97.98 % (seed 0), trained in 115 s on two CPU cores.

    python tools/train.py configs/mobilenet/mobilenet-v1-x025_1xb64-40e_digits.py
"""

_base_ = ['../_base_/models/mobilenet_v1_x0_25.py', '../_base_/recipes/digits_64.py']
model = _base_.grey_model
train_cfg = dict(max_epochs=40, val_interval=10)
# 20 epochs at the rate of the recipe ended at 95.29 %
optim_wrapper = dict(optimizer=dict(lr=2 * _base_.optim_wrapper.optimizer.lr))
