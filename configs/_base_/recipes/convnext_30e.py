"""All of a run but the model: ImageNet at 384, ConvNeXt's 30 epochs of fine-tuning,
512 images a step (Liu et al., CVPR 2022, Table 6).

The weights come from a run at 224. Nothing is mixed and hardly anything decays; the
rates fall layer by layer, from the head to the image.
"""

_base_ = './imagenet_300e.py'
max_epochs = 30
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
input_size = 384
train_pipeline = [
    _base_.train_pipeline[0],
    {**_base_.train_pipeline[1], 'scale': input_size},
    *_base_.train_pipeline[2:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    # the whole image, whatever its sides, as the paper's code from 384 on
    dict(
        type='Resize',
        scale=(input_size, input_size),
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(
    constructor='projects.LayerDecayOptimWrapperConstructor',
    accumulative_counts=2,
    optimizer=dict(lr=0.00005, weight_decay=1e-8),
    paramwise_cfg=dict(
        layer_decay_rate=0.7, custom_keys=dict(layer_scale=dict(decay_mult=0))
    ),
    clip_grad=None,
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        # to 1e-6 at the head. A share, as the rates of the first layers begin below
        # that and would rise to it.
        eta_min_ratio=0.02,
        by_epoch=True,
        begin=0,
        end=max_epochs,
        convert_to_iter_based=True,
    )
]
auto_scale_lr = dict(base_batch_size=512)
# what the recipe changes in a classifier
smoothed_model = dict(
    head=dict(
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        # where the head is new, for other classes than those of the weights
        init_scale=0.001,
    )
)
