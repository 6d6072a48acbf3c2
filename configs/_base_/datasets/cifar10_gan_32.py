"""CIFAR-10 at 32 x 32 for generators, which learn its 50,000 training images.

Expects the files of cifar10.py. A validation makes 10,000 samples and compares them
with the first 10,000 training images, a test 50,000 with all, as the literature does.
Features are those of the usual Inception network, of which the file lies in data/.
"""

_base_ = './cifar10.py'
pipeline = [dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=64,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        pipeline=[dict(type='RandomFlip', prob=0.5, direction='horizontal'), *pipeline]
    ),
)
test_dataloader = dict(
    batch_size=250,
    dataset=dict(split='train', test_mode=False, pipeline=pipeline),
)
val_dataloader = {
    **test_dataloader,
    'dataset': {**test_dataloader['dataset'], 'indices': 10000},
}
val_evaluator = dict(
    _delete_=True,
    type='projects.GenerationMetric',
    judge=dict(inception='data/pt_inception-2015-12-05-6726825d.pth'),
)
test_evaluator = val_evaluator
