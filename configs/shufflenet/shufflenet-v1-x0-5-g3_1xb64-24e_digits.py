"""ShuffleNet V1 0.5x with three groups on digits.

Top-1 97.31 % (seed 0), trained in 84 s on two CPU cores.

    python tools/train.py configs/shufflenet/shufflenet-v1-x0-5-g3_1xb64-24e_digits.py
"""

_base_ = ['../_base_/models/shufflenet_v1_x0_5_g3.py', '../_base_/recipes/digits_64.py']
model = _base_.grey_model
train_cfg = dict(max_epochs=24, val_interval=6)
