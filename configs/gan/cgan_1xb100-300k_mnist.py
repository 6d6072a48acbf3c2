"""Conditional GAN on MNIST, with the paper's settings.

    python tools/train.py configs/gan/cgan_1xb100-300k_mnist.py

Not run here. The paper stops early, by the likelihood of held-out images, and does not
say when: 300,000 steps are 500 times the 60,000 images.
"""

_base_ = [
    '../_base_/models/cgan_mnist.py',
    '../_base_/datasets/mnist_gan_28.py',
    '../_base_/iter_runtime.py',
]
train_dataloader = dict(batch_size=100)
train_cfg = dict(by_epoch=False, max_iters=300_000, val_interval=10_000)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(checkpoint=dict(interval=10_000))
sgd = dict(type='SGD', lr=0.1, momentum=0.7)
optim_wrapper = dict(
    constructor='projects.PartsOptimWrapperConstructor',
    generator=dict(optimizer=sgd),
    discriminator=dict(optimizer=sgd),
)
# Sec. 4.1, for both networks: the rate is divided by 1.00004 after each step, down to
# 1e-6, which takes log(1e5) / log(1.00004) of them; momentum rises from 0.5 to 0.7,
# over 250 epochs in the code of Goodfellow et al. 2014, which the paper follows.
param_scheduler = [
    dict(type='ExponentialLR', gamma=1 / 1.00004, by_epoch=False, end=287_830),
    dict(type='LinearMomentum', start_factor=0.5 / 0.7, by_epoch=False, end=250 * 600),
]
auto_scale_lr = dict(base_batch_size=100)
