"""The paper's schedule: Adam, 100,000 steps of which 4,000 warm up, and the average
of the last five of the weights that it saved every ten minutes, here every 1,500 of
the steps that took 0.4 s (Vaswani et al., NIPS 2017, Sec. 5.2, 5.3, 6.1).

A run sets ``embed_dims`` of the schedule to that of its model.
"""

max_iters = 100_000
train_cfg = dict(by_epoch=False, max_iters=max_iters, val_interval=10_000)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    # the schedule multiplies the rate
    optimizer=dict(type='Adam', lr=1.0, betas=(0.9, 0.98), eps=1e-9),
)
param_scheduler = [
    dict(
        type='projects.WarmupInverseSqrtLR',
        embed_dims=512,
        warmup=4000,
        by_epoch=False,
    )
]
average_hook = dict(
    type='EMAHook',
    ema_type='StochasticWeightAverage',
    interval=1500,
    begin_iter=max_iters - 4 * 1500,
)
