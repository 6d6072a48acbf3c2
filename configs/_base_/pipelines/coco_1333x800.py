"""COCO for two-stage detectors: shorter side 800, longer side 1333 at most; flips."""

input_size = (1333, 800)
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=input_size, keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='Resize', scale=input_size, keep_ratio=True),
    # after the resize: the boxes are of the image as it was
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
