"""digits, enlarged to 28 x 28."""

_base_ = ['./digits.py', '../pipelines/digits_28.py']
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
