"""Schedule of SSD on VOC 07+12 (authors' code, with expansion): 120,000 steps
of 32 images, 16,551 images an epoch."""

max_epochs = 232
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=8)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=0.0005),
    paramwise_cfg=dict(bias_lr_mult=2, bias_decay_mult=0),
)
param_scheduler = [
    # after 80,000 and 100,000 steps
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[155, 193],
        gamma=0.1,
    ),
]
auto_scale_lr = dict(base_batch_size=32)
