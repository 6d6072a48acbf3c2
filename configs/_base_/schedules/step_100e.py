"""torchvision's schedule of ResNeXt: that of ResNet for 100 epochs."""

_base_ = './step_90e.py'
max_epochs = 100
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    {**_base_.param_scheduler[0], 'end': max_epochs, 'milestones': [30, 60, 90]},
]
