"""torchvision's newer schedule: 600 epochs, 1,024 images a step.

The weights that are evaluated are a moving average of the trained ones.
"""

max_epochs = 600
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.5, momentum=0.9, weight_decay=0.00002),
    paramwise_cfg=dict(norm_decay_mult=0),
)
warmup_epochs = 5
param_scheduler = [
    # the last epoch of mmengine's warm-up has the full rate; torch's has not
    dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=True,
        begin=0,
        end=warmup_epochs + 1,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        by_epoch=True,
        begin=warmup_epochs,
        end=max_epochs,
        T_max=max_epochs - warmup_epochs,
    ),
]
auto_scale_lr = dict(base_batch_size=1024)
ema_hook = dict(
    type='EMAHook',
    # a copy until then
    begin_epoch=warmup_epochs,
    # torchvision states 1 - 0.99998 for an update an image in one epoch
    interval=32,
    momentum=(1 - 0.99998) * 1024 * 32 / max_epochs,
    update_buffers=True,
)
