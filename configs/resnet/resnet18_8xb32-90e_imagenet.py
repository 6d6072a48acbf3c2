"""ResNet-18 on ImageNet, as torchvision trained its V1 weights.

tools/dist_train.sh configs/resnet/resnet18_8xb32-90e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/resnet18.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/imagenet_224.py',
    '../_base_/schedules/step_90e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
