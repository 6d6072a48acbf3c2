"""WGAN-GP with residual networks on a folder of images, with the authors' settings.

    python tools/train.py configs/gan/wgan-gp-64_1xb64-200k_images.py

Not run here.
"""

_base_ = [
    '../_base_/models/wgan_gp_64.py',
    '../_base_/datasets/images_64.py',
    '../_base_/schedules/gan_adam.py',
    '../_base_/iter_runtime.py',
]
model = dict(data_preprocessor=_base_.image_model.data_preprocessor)
train_dataloader = dict(batch_size=5 * 64)  # of five steps of the critic
adam = dict(type='Adam', lr=0.0001, betas=(0.0, 0.9))
optim_wrapper = dict(generator=dict(optimizer=adam), discriminator=dict(optimizer=adam))
train_cfg = dict(max_iters=200_000, val_interval=10_000)
default_hooks = dict(checkpoint=dict(interval=10_000))
auto_scale_lr = dict(base_batch_size=5 * 64)
