"""Augmentation of YOLOv1 (paper, Sec. 2.2; amounts from darknet's cfg)."""

input_size = (448, 448)
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='projects.RandomEdgeJitter', jitter=0.2),
    dict(type='projects.RandomHSVScale', saturation=1.5, exposure=1.5),
    dict(type='Resize', scale=input_size, keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='Resize', scale=input_size, keep_ratio=False),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
