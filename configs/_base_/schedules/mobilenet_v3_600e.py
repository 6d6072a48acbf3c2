"""torchvision's schedule of MobileNetV3: 600 epochs, 1,024 images a step."""

max_epochs = 600
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='RMSprop',
        lr=0.064,
        momentum=0.9,
        alpha=0.9,
        eps=0.0316,  # the root of TensorFlow's 0.001, which is under the root there
        weight_decay=0.00001,
    ),
)
param_scheduler = [
    dict(
        type='StepLR', begin=0, end=max_epochs, by_epoch=True, step_size=2, gamma=0.973
    ),
]
auto_scale_lr = dict(base_batch_size=1024)
