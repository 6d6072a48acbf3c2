"""Caffe's quick schedule of GoogLeNet: 2,400,000 steps of 32 images, 1,281,167
images an epoch.

The paper's (rate less 4 % every 8 epochs, weights averaged, from secondary
sources) takes Caffe 250 epochs and names neither a rate nor a batch.
"""

max_epochs = 60
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0002),
    paramwise_cfg=dict(bias_lr_mult=2, bias_decay_mult=0),
)
param_scheduler = [
    dict(
        type='PolyLR',
        power=0.5,
        eta_min=0,
        begin=0,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=32)
