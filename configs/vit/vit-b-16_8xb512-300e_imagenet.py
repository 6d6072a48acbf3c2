"""ViT-B/16 on ImageNet alone; torchvision reached 81.072 % with this recipe.

    tools/dist_train.sh configs/vit/vit-b-16_8xb512-300e_imagenet.py 8

The recipe is known from secondary sources. Where a GPU has too little memory for 512
images, train_dataloader.batch_size=128 and optim_wrapper.accumulative_counts=4.
"""

_base_ = [
    '../_base_/models/vit_b_16.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/adamw_cosine_300e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(num_classes=1000),
    head=dict(
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.11, mode='original')
    ),
    train_cfg=dict(
        augments=[  # one of the two for each batch
            dict(type='Mixup', alpha=0.2),
            dict(type='CutMix', alpha=1.0),
        ]
    ),
)
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, backend='pillow'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='NumpyToPIL', to_rgb=True),
    dict(
        type='torchvision/RandAugment',
        num_ops=2,
        magnitude=9,
        interpolation='bilinear',
    ),
    dict(type='PILToNumpy', to_bgr=True),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=512,
    sampler=dict(_delete_=True, type='RepeatAugSampler', num_repeats=3),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(
    optimizer=dict(lr=0.003, weight_decay=0.3),
    # of all weights, norms and biases too
    paramwise_cfg=dict(_delete_=True),
    clip_grad=dict(max_norm=1),
)
warmup_epochs = 30
param_scheduler = [
    # the last epoch of mmengine's warm-up has the full rate; torch's has not
    dict(
        type='LinearLR',
        start_factor=0.033,
        by_epoch=True,
        begin=0,
        end=warmup_epochs + 1,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        by_epoch=True,
        begin=warmup_epochs,
        end=_base_.max_epochs,
        T_max=_base_.max_epochs - warmup_epochs,
    ),
]
auto_scale_lr = dict(base_batch_size=4096)
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='EMAHook',
        # a copy until then
        begin_epoch=warmup_epochs,
        # torchvision states 1 - 0.99998 for an update an image in one epoch
        interval=32,
        momentum=(1 - 0.99998) * 4096 * 32 / _base_.max_epochs,
        update_buffers=True,
    ),
]
