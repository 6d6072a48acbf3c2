"""WGAN-GP on MNIST, with the authors' settings.

    python tools/train.py configs/gan/wgan-gp-mnist_1xb50-200k_mnist.py

Not run here.
"""

_base_ = [
    '../_base_/models/wgan_gp_mnist.py',
    '../_base_/datasets/mnist_gan_28.py',
    '../_base_/schedules/gan_adam.py',
    '../_base_/iter_runtime.py',
]
train_dataloader = dict(batch_size=5 * 50)  # of five steps of the critic
adam = dict(type='Adam', lr=0.0001, betas=(0.5, 0.9))
optim_wrapper = dict(generator=dict(optimizer=adam), discriminator=dict(optimizer=adam))
train_cfg = dict(max_iters=200_000, val_interval=10_000)
default_hooks = dict(checkpoint=dict(interval=10_000))
auto_scale_lr = dict(base_batch_size=5 * 50)
