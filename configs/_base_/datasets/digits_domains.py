"""Two domains of digits without pairs: grey ones, and other people's in negative on a
coloured ground.

750 images of each to learn from; the 297 of the validation are held out of both. The
mapping is known to the metric alone.
"""

dataset_type = 'projects.DigitDomains'
input_size = 32
mapping = dict(type='projects.ColouredNegative')
pipeline = [
    dict(type='Resize', scale=(input_size, input_size), interpolation='bicubic'),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type=dataset_type, split='train', mapping=mapping, pipeline=pipeline),
)
val_dataloader = dict(
    batch_size=99,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        split='val',
        mapping=mapping,
        pipeline=pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
judge = dict(config='lenet/lenet5-modern_1xb64-20e_digits.py')
val_evaluator = dict(
    type='projects.ImageTranslationMetric', mapping=mapping, judge=judge
)
test_evaluator = val_evaluator
