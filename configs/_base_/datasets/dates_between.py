"""dates from one of 20 languages to another; a line begins with that, as <de>."""

_base_ = './dates.py'
corpus = dict(target='locale')
train_dataloader = dict(dataset=dict(corpus=corpus))
val_dataloader = dict(dataset=dict(corpus=corpus))
test_dataloader = dict(dataset=dict(corpus=corpus))
