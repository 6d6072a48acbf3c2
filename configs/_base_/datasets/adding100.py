"""The adding problem at length 100: 20,000 sequences to train on, 1,000 to test.

They are drawn anew at each start, the same ones each time.
"""

dataset = dict(type='projects.AddingProblem', length=100)
train_dataloader = dict(
    batch_size=50,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(num=20_000, seed=1, **dataset),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(num=1_000, seed=2, **dataset),
)
test_dataloader = {
    **val_dataloader,
    'dataset': {**val_dataloader['dataset'], 'seed': 3},
}
val_evaluator = dict(type='projects.MeanSquaredError')
test_evaluator = val_evaluator
