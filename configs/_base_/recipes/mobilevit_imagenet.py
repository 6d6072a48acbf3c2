"""All of a run but the model: ImageNet as MobileViT's authors trained it, crops of
160 to 320 pixels and flips alone, evaluated at 256.

Their batches of small images are larger, so that each has as many pixels; here all
have as many images. They cut each size out of the photograph, and here it comes from
the crop of 320 pixels.
"""

_base_ = [
    '../datasets/imagenet.py',
    '../schedules/mobilevit_300e.py',
    '../default_runtime.py',
]
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=320, backend='pillow'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='ResizeEdge', scale=288, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=256),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=128, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
# what the recipe changes in a classifier
multi_scale_model = dict(
    data_preprocessor=dict(
        type='projects.MultiScaleClsDataPreprocessor', sizes=(160, 192, 256, 288, 320)
    ),
    backbone=dict(dropout=0.1),
    head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
)
