"""EfficientNet-B0 on ImageNet with the paper's recipe (Sec. 5.2).

    tools/dist_train.sh configs/efficientnet/efficientnet-b0_8xb512-350e_imagenet.py 8

What it leaves open is that of the authors' code, known from secondary sources.
"""

_base_ = [
    '../_base_/models/efficientnet_b0.py',
    '../_base_/recipes/efficientnet_350e.py',
]
model = _base_.smoothed_model
train_dataloader = dict(batch_size=512)
