"""DenseNet-121 on digits.

Top-1 97.31 % (seed 0), trained in 83 s on two CPU cores.

    python tools/train.py configs/densenet/densenet121_1xb64-10e_digits.py
"""

_base_ = ['../_base_/models/densenet121.py', '../_base_/recipes/digits_32.py']
model = _base_.grey_model
train_cfg = dict(max_epochs=10)  # half of the schedule's do
