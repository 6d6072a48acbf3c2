"""DCGAN that is asked for a digit, on MNIST, 100 epochs.

    python tools/train.py configs/gan/dcgan-conditional-28_1xb128-47k_mnist.py

Not run here.
"""

_base_ = [
    '../_base_/models/dcgan_conditional_28.py',
    '../_base_/datasets/mnist_gan_28.py',
    '../_base_/schedules/gan_adam.py',
    '../_base_/iter_runtime.py',
]
train_dataloader = dict(batch_size=128)
train_cfg = dict(max_iters=47_000, val_interval=4700)
default_hooks = dict(checkpoint=dict(interval=4700))
auto_scale_lr = dict(base_batch_size=128)
