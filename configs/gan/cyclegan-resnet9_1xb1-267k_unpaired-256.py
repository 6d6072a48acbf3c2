"""CycleGAN on two folders of images, 256 x 256, by the authors' recipe. Not run.

    python tools/train.py configs/gan/cyclegan-resnet9_1xb1-267k_unpaired-256.py

200 epochs of horse2zebra, whose larger domain has 1,334 images to learn from: for
other data set ``max_iters`` and the schedule to 200 times the images of the larger one.
"""

_base_ = [
    '../_base_/models/cyclegan_resnet9.py',
    '../_base_/datasets/unpaired_256.py',
    '../_base_/schedules/cyclegan_adam.py',
    '../_base_/iter_runtime.py',
]
model = _base_.image_model
max_iters = 266800
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 20)
param_scheduler = [
    dict(
        type='PolyLR',
        power=1,
        eta_min=0,
        begin=max_iters // 2,
        end=max_iters,
        by_epoch=False,
    ),
]
# there is no truth that could say which is the best
default_hooks = dict(checkpoint=dict(interval=max_iters // 20, save_best=None))
custom_hooks = [*_base_.custom_hooks, dict(type='projects.ImagePoolHook')]
