"""CapsNet on digits, with a quarter and a half of the channels.

python tools/train.py configs/capsnet/capsnet-mini_1xb32-40e_digits.py
"""

_base_ = ['../_base_/models/capsnet_mnist.py', '../_base_/recipes/digits_28.py']
# 0.029 in place of 0.203 GMACs: time for the steps that the full size lacks here
model = dict(backbone=dict(channels=(64, 128)), head=dict(in_channels=128))
train_dataloader = dict(batch_size=32)
auto_scale_lr = dict(base_batch_size=32)
train_cfg = dict(max_epochs=40, val_interval=10)
