"""Schedule of RepVGG-B2g4, B3g4 and B3: that of the others for 200 epochs."""

_base_ = './repvgg_120e.py'
max_epochs = 200
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    {**_base_.param_scheduler[0], 'end': max_epochs, 'T_max': max_epochs},
]
