"""ViT-B/16 on ImageNet, fine-tuned at 384 pixels with rates that fall layer by layer.

    tools/dist_train.sh configs/vit/vit-b-16-384_8xb64-30e_imagenet.py 8

It begins with the weights of vit-b-16_8xb512-300e_imagenet, whose position embedding is
resized from 14 x 14 to 24 x 24 patches; the log says so. The figures are those of
ConvNeXt-B's fine-tuning at 384 pixels, but for its stochastic depth; the paper
fine-tunes with SGD and one rate for all layers.
"""

_base_ = './vit-b-16_8xb512-300e_imagenet.py'
input_size = 384
model = dict(
    init_cfg=dict(
        type='projects.Pretrained',
        checkpoint='work_dirs/vit-b-16_8xb512-300e_imagenet/epoch_300.pth',
    ),
    backbone=dict(img_size=input_size),
    head=dict(loss=dict(label_smooth_val=0.1)),
    train_cfg=dict(augments=None),
)
train_pipeline = [
    _base_.train_pipeline[0],
    {**_base_.train_pipeline[1], 'scale': input_size},
    *_base_.train_pipeline[2:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    {**_base_.test_pipeline[1], 'scale': input_size},
    {**_base_.test_pipeline[2], 'crop_size': input_size},
    _base_.test_pipeline[3],
]
train_dataloader = dict(
    batch_size=64,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=30, val_interval=1)
optim_wrapper = dict(
    constructor='projects.LayerDecayOptimWrapperConstructor',
    optimizer=dict(lr=0.00005, weight_decay=1e-8),
    paramwise_cfg=dict(layer_decay_rate=0.7, flat_decay_mult=0),
    clip_grad=None,
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.02,  # to 1e-6, in each layer by as much
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
auto_scale_lr = dict(base_batch_size=512)
# the average of the weights that it begins with is theirs
custom_hooks = _base_.custom_hooks[:-1]
