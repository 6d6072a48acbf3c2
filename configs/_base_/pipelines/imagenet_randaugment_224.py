"""Of the transformers since DeiT: crops of 8 to 100 % of the image's area, flips,
RandAugment of magnitude 9 +- 0.5, random erasing; evaluated on the central 224
pixels of a shorter side of 256. Bicubic."""

bgr_mean, bgr_std = [103.53, 116.28, 123.675], [57.375, 57.12, 58.395]
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(
        type='RandomResizedCrop', scale=224, interpolation='bicubic', backend='pillow'
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        magnitude_level=9,
        magnitude_std=0.5,
        total_level=10,
        hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'),
    ),
    dict(
        type='RandomErasing',
        erase_prob=0.25,
        mode='rand',  # each pixel noise of its own, in the deviation of ImageNet
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        fill_color=bgr_mean,
        fill_std=bgr_std,
    ),
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
