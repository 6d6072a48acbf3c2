"""Text files of one's own, in windows of 256 tokens of byte-level BPE.

Expects data/text/train.txt, val.txt and test.txt; a place may also be a folder with
a ``*.txt`` for each document. The tokenizer is learnt on the training split and saved
in data/text/tokenizers.
"""

corpus = dict(
    type='projects.TextFiles',
    data_root='data/text',
    train='train.txt',
    val='val.txt',
    test='test.txt',
)
tokenizer = dict(kind='bpe', vocab_size=8192)
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
    batch_size=32,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='val', **dataset),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', **dataset),
)
val_evaluator = dict(type='projects.LanguageMetric')
test_evaluator = val_evaluator
