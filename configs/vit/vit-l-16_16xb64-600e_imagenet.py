"""ViT-L/16 on ImageNet alone; torchvision reached 79.662 % with this recipe.

It is that of its newer convolutional networks: SGD for 600 epochs. On 16 GPUs:

    GPUS=16 tools/slurm_train.sh PARTITION vit-l-16 \\
        configs/vit/vit-l-16_16xb64-600e_imagenet.py work_dirs/vit-l-16
"""

_base_ = ['../_base_/models/vit_l_16.py', '../_base_/recipes/imagenet_600e.py']
model = _base_.mixed_model
# the published position embedding is of 14 x 14 patches
train_pipeline = [
    _base_.train_pipeline[0],
    {**_base_.train_pipeline[1], 'scale': 224},
    *_base_.train_pipeline[2:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    {**_base_.test_pipeline[1], 'scale': 242},
    *_base_.test_pipeline[2:],
]
train_dataloader = dict(batch_size=64, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(clip_grad=dict(max_norm=1))
