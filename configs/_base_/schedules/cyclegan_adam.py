"""Adam for both pairs of networks, as CycleGAN's authors train (Zhu et al., ICCV 2017,
Sec. 4 and 7.1).

A run config says ``train_cfg = dict(max_iters=..., val_interval=...)``, and lets the
rates fall on a line to 0 in the second half.
"""

train_cfg = dict(by_epoch=False)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    constructor='projects.PartsOptimWrapperConstructor',
    generators=dict(optimizer=dict(type='Adam', lr=0.0002, betas=(0.5, 0.999))),
    discriminators=dict(optimizer=dict(type='Adam', lr=0.0002, betas=(0.5, 0.999))),
)
auto_scale_lr = dict(base_batch_size=1)
