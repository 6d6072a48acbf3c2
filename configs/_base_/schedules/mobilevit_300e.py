"""MobileViT's schedule (authors' code): 300 epochs, 1,024 images a step.

The paper warms up in 3,000 steps (Sec. 4.1), their later configs in 20,000.

The weights that are evaluated are a moving average of the trained ones.
"""

max_epochs = 300
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    # norms and biases decay, too
    optimizer=dict(type='AdamW', lr=0.002, betas=(0.9, 0.999), weight_decay=0.01),
)
# 20,000 steps, 1,251 an epoch
warmup_epochs = 16
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20000),
    # From epoch to epoch. The authors' falls from the first epoch on and is 0.6 %
    # down when the warm-up ends; this one begins then.
    dict(
        type='CosineAnnealingLR',
        eta_min=0.0002,
        by_epoch=True,
        begin=warmup_epochs,
        end=max_epochs,
        T_max=max_epochs - warmup_epochs,
    ),
]
auto_scale_lr = dict(base_batch_size=1024)
ema_hook = dict(type='EMAHook', momentum=0.0005, update_buffers=True)
