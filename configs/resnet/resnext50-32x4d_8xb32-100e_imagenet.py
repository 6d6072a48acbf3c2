"""ResNeXt-50 32x4d on ImageNet, as torchvision trained its V1 weights.

Theirs were 1,024 images a step at a rate of 0.4: per image the same.

    tools/dist_train.sh configs/resnet/resnext50-32x4d_8xb32-100e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/resnext50_32x4d.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/step_100e.py',
    '../_base_/default_runtime.py',
]
