"""ShuffleNet V1 0.5x on digits."""

_base_ = ['../_base_/models/shufflenet_v1_x0_5_g3.py', '../_base_/recipes/digits_64.py']
model = _base_.grey_model
train_cfg = dict(max_epochs=24, val_interval=6)
