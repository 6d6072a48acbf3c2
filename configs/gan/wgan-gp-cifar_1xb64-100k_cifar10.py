"""WGAN-GP with residual networks on CIFAR-10, with the authors' settings; the paper's
Inception score is 7.86.

    python tools/train.py configs/gan/wgan-gp-cifar_1xb64-100k_cifar10.py

Not run here. A step of the generator has 128 samples, one of the critic 64.
"""

_base_ = [
    '../_base_/models/wgan_gp_cifar.py',
    '../_base_/datasets/cifar10_gan_32.py',
    '../_base_/schedules/gan_adam.py',
    '../_base_/iter_runtime.py',
]
train_dataloader = dict(batch_size=5 * 64)  # of five steps of the critic
adam = dict(type='Adam', lr=0.0002, betas=(0.0, 0.9))
optim_wrapper = dict(generator=dict(optimizer=adam), discriminator=dict(optimizer=adam))
max_iters = 100_000
train_cfg = dict(max_iters=max_iters, val_interval=5000)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1,
        end_factor=0,
        by_epoch=False,
        begin=0,
        end=max_iters,
    )
]
default_hooks = dict(checkpoint=dict(interval=5000))
auto_scale_lr = dict(base_batch_size=5 * 64)
