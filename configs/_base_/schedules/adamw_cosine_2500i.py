"""AdamW with warm-up and cosine decay, gradients of norm 1 at most: 2,500 iterations on
a CPU.

``train_cfg = dict(max_iters=...)`` stretches it.
"""

train_cfg = dict(by_epoch=False, max_iters=2500, val_interval=500)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.005, weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, by_epoch=False, begin=0, end=50),
    # without an end: that of the run
    dict(type='CosineAnnealingLR', eta_min_ratio=0.01, by_epoch=False),
]
