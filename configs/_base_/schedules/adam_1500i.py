"""Adam at one rate, gradients of norm 1 at most: 1,500 iterations on a CPU."""

train_cfg = dict(by_epoch=False, max_iters=1500, val_interval=250)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=0.01),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = []
