"""GPT's schedule in small: 1,800 steps with warm-up and cosine decay.

Embeddings and the matrices of linear layers decay; biases and norms, which have one
dimension, do not.
"""

max_iters = 1800
warmup_iters = 50
train_cfg = dict(by_epoch=False, max_iters=max_iters, val_interval=1800)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.003, betas=(0.9, 0.95), weight_decay=0.1),
    paramwise_cfg=dict(flat_decay_mult=0),
    clip_grad=dict(max_norm=1),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, by_epoch=False, begin=0, end=warmup_iters),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.02,
        by_epoch=False,
        begin=warmup_iters,
        end=max_iters,
    ),
]
auto_scale_lr = dict(base_batch_size=8)
