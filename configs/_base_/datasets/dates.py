"""dates: a date in one of 20 languages to ISO 8601; 100,000 lines to train on.

They are written by Babel; nothing is read from ``data/`` but the tokenizer, which is
saved there. Dates of ``val`` and ``test`` are in no language among those of ``train``.
"""

corpus = dict(type='projects.DatesCorpus', target='iso')
tokenizer = dict(kind='chars')
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='projects.PairDataset', corpus=corpus, split='train', tokenizer=tokenizer
    ),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='projects.PairDataset', corpus=corpus, split='val', tokenizer=tokenizer
    ),
)
test_dataloader = {
    **val_dataloader,
    'dataset': {**val_dataloader['dataset'], 'split': 'test'},
}
val_evaluator = dict(type='projects.TranslationMetric')
test_evaluator = val_evaluator
