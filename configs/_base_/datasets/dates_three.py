"""dates, three in a line, each in a language of its own."""

_base_ = './dates.py'
corpus = dict(dates_per_line=3)
train_dataloader = dict(dataset=dict(corpus=corpus))
val_dataloader = dict(dataset=dict(corpus=corpus))
test_dataloader = dict(dataset=dict(corpus=corpus))
