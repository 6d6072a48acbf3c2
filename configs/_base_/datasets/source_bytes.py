"""source: Python's standard library as bytes, in windows of 256.

The library is that of the running Python, about 8 MB to train on; nothing is read
from ``data/``. A validation is of 200 kB, a test of the whole split.
"""

corpus = dict(type='projects.SourceCorpus', max_bytes=dict(val=200_000))
tokenizer = dict(kind='bytes')
dataset = dict(
    type='projects.StreamDataset', corpus=corpus, length=256, tokenizer=tokenizer
)
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(split='train', **dataset),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='val', **dataset),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', **dataset),
)
val_evaluator = dict(type='projects.LanguageMetric')
test_evaluator = val_evaluator
