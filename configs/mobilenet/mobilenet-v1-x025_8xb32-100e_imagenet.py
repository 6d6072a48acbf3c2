"""MobileNetV1 of width 0.25 on ImageNet at 224 x 224.

tools/dist_train.sh configs/mobilenet/mobilenet-v1-x025_8xb32-100e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/mobilenet_v1_x0_25.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/mobilenet_v1_100e.py',
    '../_base_/default_runtime.py',
]
