"""What every run shares: logging, checkpoints, seeds."""

# For launchers that are not ours; our tools need no import in a config.
custom_imports = dict(imports=['projects'], allow_failed_imports=False)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=25),
    # two: while one is replaced the other is whole
    checkpoint=dict(
        type='projects.CheckpointHook', interval=1, max_keep_ckpts=2, save_best='auto'
    ),
)
custom_hooks = [
    dict(type='projects.SeedHook'),
    dict(type='projects.NonFiniteLossHook'),
]
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
randomness = dict(seed=0)
resume = False
load_from = None
