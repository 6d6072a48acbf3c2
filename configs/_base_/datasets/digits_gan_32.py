"""digits at 32 x 32 for generators, which learn the 1,500 of the training split.

A validation makes as many samples as there are training images, each in the class of
its image, and compares the two; a test also trains a classifier on the samples alone
and evaluates it on the 297 digits that are held out.
"""

_base_ = '../pipelines/digits_32.py'
dataset_type = 'projects.DigitsDataset'
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type=dataset_type, split='train', pipeline=_base_.test_pipeline),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        split='train',
        pipeline=_base_.test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
judge = dict(config='lenet/lenet5-modern_1xb64-20e_digits.py')
val_evaluator = dict(type='projects.GenerationMetric', judge=judge)
test_evaluator = dict(
    type='projects.GenerationMetric',
    judge=judge,
    held_out=dict(
        type=dataset_type,
        split='val',
        pipeline=_base_.test_pipeline,
        test_mode=True,
    ),
)
