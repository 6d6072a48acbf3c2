"""ShuffleNet V2 0.5x on digits.

Top-1 97.64 % (seed 0), trained in 73 s on two CPU cores.

    python tools/train.py configs/shufflenet/shufflenet-v2-x0-5_1xb64-24e_digits.py
"""

_base_ = ['../_base_/models/shufflenet_v2_x0_5.py', '../_base_/recipes/digits_64.py']
model = _base_.grey_model
train_cfg = dict(max_epochs=24, val_interval=6)
