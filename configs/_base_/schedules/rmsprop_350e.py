"""EfficientNet's schedule (paper, Sec. 5.2): 350 epochs, 4,096 images a step.

The weights that are evaluated are a moving average of the trained ones.
"""

max_epochs = 350
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='RMSprop',
        lr=0.256,
        alpha=0.9,
        momentum=0.9,
        eps=0.0316,  # TensorFlow's 0.001 is added before the square root
        weight_decay=0.00001,
    ),
    paramwise_cfg=dict(norm_decay_mult=0),
)
warmup_epochs = 5
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.0001,
        begin=0,
        end=warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    # each 2.4 epochs, at the beginning of the next one
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[-(-12 * k // 5) for k in range(1, 146)],
        gamma=0.97,
    ),
]
auto_scale_lr = dict(base_batch_size=4096)
ema_hook = dict(type='EMAHook', momentum=1 - 0.9999, update_buffers=True)
