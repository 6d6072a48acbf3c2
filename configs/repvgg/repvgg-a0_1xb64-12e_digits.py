"""RepVGG-A0 on digits.

python tools/train.py configs/repvgg/repvgg-a0_1xb64-12e_digits.py
"""

_base_ = ['../_base_/models/repvgg_a0.py', '../_base_/recipes/digits_32.py']
model = _base_.grey_model
train_cfg = dict(max_epochs=12, val_interval=6)
