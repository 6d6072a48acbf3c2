"""Images of a folder at 64 x 64 for generators, such as CelebA's faces or a category
of LSUN: data/images/train/*.jpg, in folders below, too.

The shorter side is taken to 64 pixels, of which the middle ones stay. A validation
makes as many samples as there are images, at most 10,000. Features are those of the
usual Inception network, of which the file lies in data/.
"""

input_size = 64
pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='ResizeEdge', scale=input_size, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=input_size),
    dict(type='PackInputs'),
]
data_root = 'data/images'
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset',
        data_root=data_root,
        data_prefix='train',
        with_label=False,
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset={**train_dataloader['dataset'], 'indices': 10000},
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='projects.GenerationMetric',
    judge=dict(inception='data/pt_inception-2015-12-05-6726825d.pth'),
)
test_evaluator = val_evaluator
# files are read as BGR
image_model = dict(data_preprocessor=dict(to_rgb=True))
