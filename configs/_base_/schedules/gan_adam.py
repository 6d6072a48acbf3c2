"""Adam for both networks, as in DCGAN (Radford et al., ICLR 2016, Sec. 4).

A run config says ``train_cfg = dict(max_iters=..., val_interval=...)``, counted in
steps of the generator, and ``auto_scale_lr`` with the loader's batch.
"""

train_cfg = dict(by_epoch=False)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    constructor='projects.PartsOptimWrapperConstructor',
    generator=dict(optimizer=dict(type='Adam', lr=0.0002, betas=(0.5, 0.999))),
    discriminator=dict(optimizer=dict(type='Adam', lr=0.0002, betas=(0.5, 0.999))),
)
param_scheduler = []
