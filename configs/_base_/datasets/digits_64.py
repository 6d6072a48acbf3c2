"""digits, enlarged to 64 x 64."""

_base_ = ['./digits.py', '../pipelines/digits_64.py']
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
