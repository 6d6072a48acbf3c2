"""Eight Gaussians on a ring of radius 2, std 0.02 (Metz et al., "Unrolled Generative
Adversarial Networks", ICLR 2017, Sec. 3.1).

Training draws new points for each batch. A validation compares 5,000 points that it
makes with 5,000 others of the mixture, the same ones each time.
"""

mixture = dict(
    type='projects.MixtureDataset', layout='ring', num_modes=8, scale=2.0, std=0.02
)
train_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=False),
    collate_fn=dict(type='projects.collate_whole'),
    dataset=dict(fresh=True, **mixture),
)
val_dataloader = dict(
    batch_size=1000,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='projects.collate_whole'),
    dataset=dict(num=5000, seed=1, test_mode=True, **mixture),
)
test_dataloader = {
    **val_dataloader,
    'dataset': {**val_dataloader['dataset'], 'seed': 2},
}
val_evaluator = dict(type='projects.MixtureMetric')
test_evaluator = val_evaluator
