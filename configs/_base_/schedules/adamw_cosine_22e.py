"""The 15 epochs' schedule stretched to 22."""

_base_ = './adamw_cosine_15e.py'
max_epochs = 22
train_cfg = dict(max_epochs=max_epochs, val_interval=11)
param_scheduler = [
    _base_.param_scheduler[0],
    {**_base_.param_scheduler[1], 'end': max_epochs, 'T_max': max_epochs},
]
