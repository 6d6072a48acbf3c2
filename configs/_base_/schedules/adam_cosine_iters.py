"""Adam, counted in iterations: a warm-up of 50, then a cosine down to 2 %.

A run config says ``train_cfg = dict(max_iters=..., val_interval=...)``.
"""

optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=4e-3),
    # Pascanu et al., "On the difficulty of training recurrent neural networks",
    # ICML 2013, Sec. 3.2
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, by_epoch=False, begin=0, end=50),
    # without an end: that of the run
    dict(type='CosineAnnealingLR', eta_min_ratio=0.02, by_epoch=False, begin=50),
]
train_cfg = dict(by_epoch=False)
val_cfg = dict()
test_cfg = dict()
