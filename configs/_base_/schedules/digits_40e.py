"""The 20 epochs' schedule stretched to 40."""

_base_ = './digits_20e.py'
max_epochs = 40
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
param_scheduler = [
    _base_.param_scheduler[0],
    {**_base_.param_scheduler[1], 'end': max_epochs, 'T_max': max_epochs},
]
