"""MobileNetV2 of width 0.35 on ImageNet at 224 x 224.

tools/dist_train.sh configs/mobilenet/mobilenet-v2-x035_8xb32-300e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/mobilenet_v2_x0_35.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/mobilenet_v2_300e.py',
    '../_base_/default_runtime.py',
]
