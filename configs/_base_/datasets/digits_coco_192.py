"""digits-coco at 192 x 192."""

_base_ = ['./digits_coco.py', '../pipelines/digits_192.py']
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
