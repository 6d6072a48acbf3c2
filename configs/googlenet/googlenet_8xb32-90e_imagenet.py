"""GoogLeNet with batch norm on ImageNet.

torchvision's weights were trained elsewhere and have no recipe; this is its
recipe for ResNet.

    tools/dist_train.sh configs/googlenet/googlenet_8xb32-90e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/googlenet.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/imagenet_224.py',
    '../_base_/schedules/step_90e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
