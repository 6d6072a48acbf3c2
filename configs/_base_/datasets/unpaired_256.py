"""Image files of two domains without pairs, 256 x 256 as in CycleGAN's paper.

Expects data/unpaired/trainA, trainB, testA and testB, such as those of horse2zebra;
for another folder --cfg-options data_root=...
"""

dataset_type = 'projects.UnpairedDataset'
data_root = 'data/unpaired'
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='Resize', scale=(286, 286), interpolation='bicubic', backend='pillow'),
    dict(type='RandomCrop', crop_size=256),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='Resize', scale=(256, 256), interpolation='bicubic', backend='pillow'),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type, data_root=data_root, split='train', pipeline=train_pipeline
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='test',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='projects.ImageTranslationMetric')
test_evaluator = val_evaluator
# files are read as BGR
image_model = dict(data_preprocessor=dict(to_rgb=True))
