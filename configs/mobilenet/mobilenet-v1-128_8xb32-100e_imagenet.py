"""MobileNetV1 on ImageNet at 128 x 128: a third of the arithmetic of 224 x 224
in the same weights (paper, Sec. 3.4, "Resolution Multiplier").

tools/dist_train.sh configs/mobilenet/mobilenet-v1-128_8xb32-100e_imagenet.py 8
"""

_base_ = [
    '../_base_/models/mobilenet_v1_x1_0.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/mobilenet_v1_100e.py',
    '../_base_/default_runtime.py',
]
input_size = 128
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=input_size, backend='pillow'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    # 146 to 128 is 256 to 224
    dict(type='ResizeEdge', scale=146, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=input_size),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
