"""Augmentation of SSD (paper, Sec. 2.2 and 3.6; amounts and order from the
authors' code)."""

input_size = (300, 300)
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PhotoMetricDistortion',
        brightness_delta=32,
        contrast_range=(0.5, 1.5),
        saturation_range=(0.5, 1.5),
        hue_delta=18,
        swap_channels=False,
    ),
    # zoom out: small objects; the mean is of RGB, the image still BGR
    dict(type='Expand', mean=(123, 117, 104), to_rgb=True, ratio_range=(1, 4)),
    # zoom in: large objects, cut ones
    dict(
        type='MinIoURandomCrop', min_ious=(0.1, 0.3, 0.5, 0.7, 0.9), min_crop_size=0.3
    ),
    dict(type='Resize', scale=input_size, keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='Resize', scale=input_size, keep_ratio=False),
    # after the resize: the boxes are of the image as it was
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
