"""What a run shares that counts iterations; a schedule gives ``max_iters``.

The training data want ``sampler=dict(type='InfiniteSampler')``, which goes on
over the end of the data and from where a run was resumed.
"""

_base_ = './default_runtime.py'
default_hooks = dict(
    logger=dict(type='projects.LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=500),
)
log_processor = dict(by_epoch=False)
