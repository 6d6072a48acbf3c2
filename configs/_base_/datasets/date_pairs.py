"""Pairs of dates in 17 languages, half of them one date twice, to pre-train on.

Months are words; the pairs are written by Babel, and nothing is read from ``data/``
but the tokenizer, which is saved there. Three in four of the pairs of two dates
differ in the month alone: what the months are called is what there is to learn. Of
the whole words that are masked see Joshi et al., "SpanBERT", TACL 2020, and of
masking in a text beside its translation Conneau and Lample, "Cross-lingual Language
Model Pretraining", NeurIPS 2019, Sec. 3.3.
"""

corpus = dict(
    type='projects.DatePairsCorpus',
    # those of projects.core.tasks.language.dates that have words for the months
    locales=('en', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'sv', 'pl', 'cs', 'fi', 'hu')
    + ('tr', 'ru', 'el', 'ar', 'hi'),
    # without the day of the week, which would tell two dates apart by itself
    styles=('long', 'medium', 'yMMMd'),
    other_month=0.75,
    num=dict(train=40_000, val=1_000, test=1_000),
)
tokenizer = dict(kind='wordpiece', vocab_size=1500)
dataset = dict(
    type='projects.MaskedPairDataset',
    corpus=corpus,
    tokenizer=tokenizer,
    masking=dict(probability=0.2, whole_words=True),
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
