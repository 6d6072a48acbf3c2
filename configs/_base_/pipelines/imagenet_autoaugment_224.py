"""EfficientNet's: crops of 8 to 100 % of the image's area, flips, AutoAugment;
evaluated on the central 224 pixels of a shorter side of 256. Bicubic."""

train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(
        type='RandomResizedCrop', scale=224, interpolation='bicubic', backend='pillow'
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='AutoAugment', policies='imagenet'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(
        type='ResizeEdge',
        scale=256,
        edge='short',
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
