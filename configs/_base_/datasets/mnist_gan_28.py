"""MNIST at 28 x 28 for generators, which learn its 60,000 training images.

Expects the files of mnist.py. A validation makes 10,000 samples and compares them with
the first 10,000 training images; a test makes more of it, see digits_gan_32.py.
"""

dataset_type = 'MNIST'
data_root = 'data/mnist'
pipeline = [dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        pipeline=pipeline,
        download=False,
    ),
)
val_dataloader = dict(
    batch_size=500,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        pipeline=pipeline,
        indices=10000,
        download=False,
    ),
)
test_dataloader = val_dataloader
judge = dict(config='lenet/lenet5_1xb128-10e_mnist.py')
val_evaluator = dict(type='projects.GenerationMetric', judge=judge)
test_evaluator = dict(
    type='projects.GenerationMetric',
    judge=judge,
    held_out=dict(
        type=dataset_type,
        data_root=data_root,
        split='test',
        pipeline=pipeline,
        test_mode=True,  # chooses the files
        download=False,
    ),
)
