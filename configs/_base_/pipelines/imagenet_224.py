"""torchvision's: crops of 8 to 100 % of the image's area, flips; evaluated on
the central 224 pixels of a shorter side of 256. Pillow resizes as theirs."""

train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, backend='pillow'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
