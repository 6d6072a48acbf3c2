"""MobileNetV2 of width 0.35 on digits.

Top-1 97.98 % (seed 0), trained in 133 s on two CPU cores.

    python tools/train.py configs/mobilenet/mobilenet-v2-x035_1xb64-30e_digits.py
"""

_base_ = ['../_base_/models/mobilenet_v2_x0_35.py', '../_base_/recipes/digits_64.py']
model = _base_.grey_model
train_cfg = dict(max_epochs=30, val_interval=10)
# 20 epochs at the rate of the recipe ended at 96.30 %
optim_wrapper = dict(optimizer=dict(lr=2 * _base_.optim_wrapper.optimizer.lr))
