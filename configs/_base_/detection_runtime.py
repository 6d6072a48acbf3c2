"""The runtime of a detector: it draws some of its validation images."""

_base_ = './default_runtime.py'
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='projects.DetectionPicturesHook'),
]
