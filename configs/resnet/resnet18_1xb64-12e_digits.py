"""ResNet-18 on digits.

Top-1 96.97 % (seed 0), trained in 59 s on two CPU cores.

    python tools/train.py configs/resnet/resnet18_1xb64-12e_digits.py
"""

_base_ = ['../_base_/models/resnet18.py', '../_base_/recipes/digits_32.py']
model = _base_.grey_model
train_cfg = dict(max_epochs=12, val_interval=6)  # 12 epochs do
