"""All of a run but the model: ImageNet at 224, EfficientNet's 350 epochs."""

_base_ = [
    '../datasets/imagenet.py',
    '../pipelines/imagenet_autoaugment_224.py',
    '../schedules/rmsprop_350e.py',
    '../default_runtime.py',
]
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
# what the recipe changes in a classifier
smoothed_model = dict(
    head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'))
)
