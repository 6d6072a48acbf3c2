"""Documents of one's own in pairs of pieces, for BERT's pre-training.

Expects the folders data/text/train and data/text/val with a ``*.txt`` for each
document, a sentence or a paragraph a line; for the paper's data an article of Wikipedia
or a book. The tokenizer is learnt on the training split and saved in
data/text/tokenizers; ``tokenizer=dict(file='vocab.txt')`` takes a published one.
All tokens are held in memory, 16 bytes each.
"""

corpus = dict(
    type='projects.TextFiles', data_root='data/text', train='train', val='val'
)
tokenizer = dict(kind='wordpiece', vocab_size=30522)
dataset = dict(
    type='projects.NextSentenceDataset',
    corpus=corpus,
    tokenizer=tokenizer,
    max_length=512,
)
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(split='train', **dataset),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='val', **dataset),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='projects.LanguageMetric'), dict(type='projects.Accuracy')]
test_evaluator = val_evaluator
