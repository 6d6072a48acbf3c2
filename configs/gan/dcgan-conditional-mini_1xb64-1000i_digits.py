"""DCGAN that is asked for a digit.

    python tools/train.py configs/gan/dcgan-conditional-mini_1xb64-1000i_digits.py
    python tools/test.py configs/gan/dcgan-conditional-mini_1xb64-1000i_digits.py \
        CHECKPOINT
"""

_base_ = [
    '../_base_/models/dcgan_conditional_mini.py',
    '../_base_/datasets/digits_gan_32.py',
    '../_base_/schedules/gan_adam.py',
    '../_base_/iter_runtime.py',
]
max_iters = 1000
train_cfg = dict(max_iters=max_iters, val_interval=250)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1,
        end_factor=0,
        by_epoch=False,
        begin=max_iters // 2,
        end=max_iters,
    )
]
auto_scale_lr = dict(base_batch_size=64)
