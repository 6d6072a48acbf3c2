"""Schedule of YOLOv1 (paper, Sec. 2.2): 135 epochs, 64 images a step."""

max_epochs = 135
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005),
    # darknet decays weights only
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0),
)
param_scheduler = [
    # "slowly raise" from 1e-3: darknet does so over 600 steps
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=600),
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[75, 105],
        gamma=0.1,
    ),
]
auto_scale_lr = dict(base_batch_size=64)
