"""dates, one to three in a line, batches of like length."""

_base_ = './dates.py'
corpus = dict(dates_per_line=(1, 3))
train_dataloader = dict(
    batch_sampler=dict(type='projects.LengthBatchSampler'),
    dataset=dict(corpus=corpus),
)
val_dataloader = dict(dataset=dict(corpus=corpus))
test_dataloader = dict(dataset=dict(corpus=corpus))
