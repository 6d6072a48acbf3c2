"""CIFAR at 32 x 32: padded by 4 and cropped, flipped (He et al., "Deep
Residual Learning for Image Recognition", CVPR 2016, Sec. 4.2)."""

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='Resize', scale=(32, 32)),  # a file given to tools/infer.py
    dict(type='PackInputs'),
]
