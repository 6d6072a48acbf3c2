"""torchvision's schedule of ResNet: 90 epochs, 256 images a step."""

max_epochs = 90
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0001),
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[30, 60],
        gamma=0.1,
    ),
]
auto_scale_lr = dict(base_batch_size=256)
