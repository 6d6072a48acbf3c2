"""LeNet-5 with sigmoids on digits.

    python tools/train.py configs/lenet/lenet5_1xb64-20e_digits.py
"""
_base_ = ['../_base_/models/lenet5.py',
          '../_base_/datasets/digits.py',
          '../_base_/pipelines/digits_28.py',
          '../_base_/schedules/digits_20e.py',
          '../_base_/default_runtime.py']
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
