"""Swin-B at 384, fine-tuned on ImageNet from weights of 224: the authors' top-1 is
84.5 %. Not trained here.

    tools/dist_train.sh configs/swin/swin-b-384_8xb64-30e_imagenet.py 8 \\
        --cfg-options load_from=swin_b-68c6b09e.pth

Windows grow from 7 to 12 tokens; the tables of the file, torchvision's or the
authors', are resized.
"""

_base_ = ['../_base_/models/swin_b_384.py', '../_base_/recipes/imagenet_300e.py']
model = _base_.mixed_model
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=384)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=438)  # 384 / 0.875
test_pipeline[2].update(crop_size=384)
train_dataloader = dict(batch_size=64, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
max_epochs = 30
train_cfg = dict(max_epochs=max_epochs)
# weights are where they should be: steps of a fiftieth, and next to no decay
optim_wrapper = dict(
    optimizer=dict(lr=0.00002, weight_decay=1e-8),
    paramwise_cfg=dict(
        custom_keys={'relative_position_bias_table': dict(decay_mult=0.0)}
    ),
)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.001,
        begin=0,
        end=5,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=2e-7,
        begin=5,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=512)
