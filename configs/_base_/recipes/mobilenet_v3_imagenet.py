"""All of a run but the model: ImageNet at 224, torchvision's 600 epochs of
MobileNetV3.

Their weights are the average of the last three checkpoints that were the best so
far; here the best one is kept.
"""

_base_ = [
    '../datasets/imagenet_224.py',
    '../schedules/mobilenet_v3_600e.py',
    '../default_runtime.py',
]
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='NumpyToPIL', to_rgb=True),
    dict(type='torchvision/AutoAugment', interpolation='bilinear'),
    dict(type='PILToNumpy', to_bgr=True),
    dict(
        type='RandomErasing',
        erase_prob=0.2,
        max_area_ratio=0.33,
        aspect_range=(0.3, 3.3),
        # the mean, BGR: 0 after the normalisation, which is where theirs erases
        fill_color=(103, 116, 123),
    ),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(batch_size=128, dataset=dict(pipeline=train_pipeline))
