"""digits-coco at 192 x 192, which a CPU trains in minutes."""

input_size = (192, 192)
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    # no flip: a mirrored digit is no digit
    dict(type='projects.RandomEdgeJitter', jitter=0.1),
    dict(type='Resize', scale=input_size, keep_ratio=False),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='Resize', scale=input_size, keep_ratio=False),
    # after the resize: COCO's boxes are of the image
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
