"""EfficientNet-B4 on ImageNet with the paper's recipe, at 380 pixels.

On 32 GPUs; evaluated on the central 380 of a shorter side of 384, as torchvision.

    GPUS=32 tools/slurm_train.sh PARTITION efficientnet-b4 \\
        configs/efficientnet/efficientnet-b4_32xb128-350e_imagenet.py \\
        work_dirs/efficientnet-b4
"""

_base_ = [
    '../_base_/models/efficientnet_b4.py',
    '../_base_/recipes/efficientnet_350e.py',
]
model = _base_.smoothed_model
input_size = 380
train_pipeline = [
    _base_.train_pipeline[0],
    {**_base_.train_pipeline[1], 'scale': input_size},
    *_base_.train_pipeline[2:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    {**_base_.test_pipeline[1], 'scale': 384},
    {**_base_.test_pipeline[2], 'crop_size': input_size},
    _base_.test_pipeline[3],
]
train_dataloader = dict(batch_size=128, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
