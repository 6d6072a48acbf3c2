"""AdamW with warm-up and linear decay to 0, counted in iterations: BERT's.

A run config says ``train_cfg = dict(max_iters=..., val_interval=...)``. The warm-up is
of 100 iterations.
"""

train_cfg = dict(by_epoch=False)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.001, betas=(0.9, 0.999), weight_decay=0.01),
    # as in the authors' code: neither biases nor norms decay
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    # without an end: that of the run
    dict(type='PolyLR', power=1, eta_min=0, by_epoch=False, begin=100),
]
