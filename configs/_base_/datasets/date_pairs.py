"""Pairs of dates in sixteen languages, half of them one date twice, to pre-train on.

Months are words; the pairs are written by Babel, and nothing is read from ``data/``
but the tokenizer, which is saved there. The words that are masked are masked whole:
half a word gives the rest away. Masking in a text beside its translation is that of
Conneau and Lample, "Cross-lingual Language Model Pretraining", NeurIPS 2019, Sec. 3.3.
"""

corpus = dict(
    type='projects.DatePairsCorpus',
    # first those that months.py has labels of, then those that it has none of
    locales=(
        *('en', 'de', 'fr', 'es', 'it', 'nl', 'cs', 'tr'),
        *('pt', 'sv', 'pl', 'fi', 'ru', 'hu', 'el', 'hi'),
    ),
    # without the day of the week: fewer words to learn
    styles=('long', 'medium', 'yMMMd'),
    # a masked month is sure to be in the other text where day and year agree
    other_month=0.0,
    num=dict(train=40_000, val=1_000, test=1_000),
)
tokenizer = dict(kind='wordpiece', vocab_size=500)
dataset = dict(
    type='projects.MaskedPairDataset',
    corpus=corpus,
    tokenizer=tokenizer,
    masking=dict(probability=0.3, whole_words=True),
)
train_dataloader = dict(
    batch_size=64,
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
# the masked words, and the question whether both texts are of the same day
val_evaluator = [dict(type='projects.LanguageMetric'), dict(type='projects.Accuracy')]
test_evaluator = val_evaluator
