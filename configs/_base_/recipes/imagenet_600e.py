"""All of a run but the model: ImageNet after torchvision's newer recipe, 600 epochs.

The recipe is known from secondary sources. Two pieces differ in detail:

- Random erasing comes before the normalisation here, after it there: it fills
  with the mean in whole numbers in place of 0.
- An epoch of repeated images is as long as ImageNet; theirs is rounded down to
  a multiple of 256.
"""

_base_ = [
    '../datasets/imagenet.py',
    '../schedules/sgd_cosine_600e.py',
    '../default_runtime.py',
]
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    # below the 224 of the validation, whose objects look smaller without the
    # random enlargement (Touvron et al., arXiv:1906.06423)
    dict(type='RandomResizedCrop', scale=176, backend='pillow'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='NumpyToPIL', to_rgb=True),
    dict(type='torchvision/TrivialAugmentWide', interpolation='bilinear'),
    dict(type='PILToNumpy', to_bgr=True),
    dict(
        type='RandomErasing',
        erase_prob=0.1,
        max_area_ratio=0.33,
        aspect_range=(0.3, 3.3),
        fill_color=(103, 116, 123),
    ),  # BGR
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='ResizeEdge', scale=232, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=128,
    sampler=dict(_delete_=True, type='RepeatAugSampler', num_repeats=4),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [*_base_.custom_hooks, _base_.ema_hook]
# what the recipe changes in a classifier
mixed_model = dict(
    data_preprocessor=dict(num_classes=1000),
    head=dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
    train_cfg=dict(
        augments=[  # one of the two for each batch
            dict(type='Mixup', alpha=0.2),
            dict(type='CutMix', alpha=1.0),
        ]
    ),
)
