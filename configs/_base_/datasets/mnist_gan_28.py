"""MNIST at 28 x 28 for generators, which learn its 60,000 training images.

Expects the files of mnist.py. A validation makes 10,000 samples and compares them with
the first 10,000 training images; a test makes more of it, see digits_gan_32.py.
"""

_base_ = './mnist.py'
pipeline = [dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=64,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(pipeline=pipeline),
)
val_dataloader = dict(
    batch_size=500,
    dataset=dict(split='train', test_mode=False, pipeline=pipeline, indices=10000),
)
test_dataloader = val_dataloader
judge = dict(config='lenet/lenet5_1xb128-10e_mnist.py')
val_evaluator = dict(_delete_=True, type='projects.GenerationMetric', judge=judge)
test_evaluator = dict(
    _delete_=True,
    type='projects.GenerationMetric',
    judge=judge,
    held_out={**_base_.val_dataloader.dataset, 'pipeline': pipeline},
)
