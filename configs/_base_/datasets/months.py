"""The month of a date: 400 labels in eight languages, tested in eight others.

The test languages are those of ``date_pairs.py`` that are not among the first eight.
"""

corpus = dict(
    type='projects.MonthCorpus',
    locales=('en', 'de', 'fr', 'es', 'it', 'nl', 'cs', 'tr'),
    held_out=('pt', 'sv', 'pl', 'fi', 'ru', 'hu', 'el', 'hi'),
    styles=('long', 'medium', 'yMMMd'),
    num=dict(train=400, val=1_000, test=1_000),
)
tokenizer = dict(kind='wordpiece', vocab_size=500)
dataset = dict(type='projects.LabelledTextDataset', corpus=corpus, tokenizer=tokenizer)
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(split='train', **dataset),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='val', **dataset),
)
test_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', **dataset),
)
val_evaluator = dict(type='projects.Accuracy')
test_evaluator = val_evaluator
