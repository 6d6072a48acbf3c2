"""Schedule of RepVGG (paper, Sec. 4.1; authors' code): 120 epochs, 256 images a
step."""

max_epochs = 120
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0001),
    # no bias decays, and of the norms' scales those of the identities alone
    paramwise_cfg=dict(
        bias_decay_mult=0,
        custom_keys={
            'conv_kxk.bn': dict(decay_mult=0),
            'conv_1x1.bn': dict(decay_mult=0),
            'identity.bias': dict(decay_mult=0),
        },
    ),
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=256)
