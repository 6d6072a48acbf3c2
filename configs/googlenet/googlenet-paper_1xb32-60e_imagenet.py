"""GoogLeNet without batch norm on ImageNet with Caffe's quick recipe.

    python tools/train.py \
        configs/googlenet/googlenet-paper_1xb32-60e_imagenet.py
"""

_base_ = [
    '../_base_/models/googlenet_paper.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/imagenet_224.py',
    '../_base_/schedules/googlenet_60e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
