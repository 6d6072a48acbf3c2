"""Adam for both networks on mixtures of Gaussians: 3,500 steps of the generator.

The rate falls as a cosine to a tenth, so that steps become smaller than the Gaussians.
It does not fall to 0: the two networks go round each other, and the average of the
generator's weights is taken of whole rounds.
"""

train_cfg = dict(by_epoch=False, max_iters=3500, val_interval=700)
val_cfg = dict()
test_cfg = dict()
adam = dict(type='Adam', lr=0.002, betas=(0.5, 0.9), fused=True)
optim_wrapper = dict(
    constructor='projects.PartsOptimWrapperConstructor',
    generator=dict(optimizer=adam),
    discriminator=dict(optimizer=adam),
)
# without an end: that of the run
param_scheduler = [dict(type='CosineAnnealingLR', eta_min_ratio=0.1, by_epoch=False)]
