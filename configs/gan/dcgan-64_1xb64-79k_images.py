"""DCGAN of PyTorch's example on a folder of images, such as CelebA's faces.

    python tools/train.py configs/gan/dcgan-64_1xb64-79k_images.py

Not run here. The example reads its images 25 times; 79,000 steps of 64 are 25 times
the 202,599 of CelebA.
"""

_base_ = [
    '../_base_/models/dcgan_64.py',
    '../_base_/datasets/images_64.py',
    '../_base_/schedules/gan_adam.py',
    '../_base_/iter_runtime.py',
]
model = dict(data_preprocessor=_base_.image_model.data_preprocessor)
train_cfg = dict(max_iters=79_000, val_interval=4000)
default_hooks = dict(checkpoint=dict(interval=4000))
auto_scale_lr = dict(base_batch_size=64)
