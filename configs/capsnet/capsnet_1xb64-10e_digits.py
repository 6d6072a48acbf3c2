"""CapsNet on digits.

python tools/train.py configs/capsnet/capsnet_1xb64-10e_digits.py
"""

_base_ = ['../_base_/models/capsnet_mnist.py', '../_base_/recipes/digits_28.py']
train_cfg = dict(max_epochs=10, val_interval=5)
