"""Schedule after AlexNet's paper, Sec. 5: 90 epochs, 128 images a step.

From secondary sources. The paper divides the rate by 10 three times, whenever
the validation error stands still; the epochs here are a guess at when.
"""

max_epochs = 90
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005),
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[30, 60, 80],
        gamma=0.1,
    ),
]
auto_scale_lr = dict(base_batch_size=128)
