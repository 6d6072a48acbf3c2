"""torchvision's schedule of MobileNetV2: 300 epochs, 256 images a step."""

max_epochs = 300
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.045, momentum=0.9, weight_decay=0.00004),
)
param_scheduler = [
    dict(
        type='StepLR', begin=0, end=max_epochs, by_epoch=True, step_size=1, gamma=0.98
    ),
]
auto_scale_lr = dict(base_batch_size=256)
