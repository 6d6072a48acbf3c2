"""DCGAN of the paper on a folder of images, such as LSUN's bedrooms.

    python tools/train.py configs/gan/dcgan-paper_1xb128-118k_images.py

Not run here. The paper shows samples after one and after five epochs on 3,033,042
bedrooms (Sec. 4.1): 118,000 steps of 128 are five.
"""

_base_ = [
    '../_base_/models/dcgan_paper.py',
    '../_base_/datasets/images_64.py',
    '../_base_/schedules/gan_adam.py',
    '../_base_/iter_runtime.py',
]
model = dict(data_preprocessor=_base_.image_model.data_preprocessor)
train_dataloader = dict(batch_size=128)
train_cfg = dict(max_iters=118_000, val_interval=6000)
default_hooks = dict(checkpoint=dict(interval=6000))
auto_scale_lr = dict(base_batch_size=128)
