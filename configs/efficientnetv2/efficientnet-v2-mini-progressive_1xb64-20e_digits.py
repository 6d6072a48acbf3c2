"""The small EfficientNetV2 on digits with progressive learning: 16 to 32 pixels.

    python tools/train.py \\
        configs/efficientnetv2/efficientnet-v2-mini-progressive_1xb64-20e_digits.py

Dropout grows from 0 to 0.1; all else is as in efficientnet-v2-mini_1xb64-20e_digits.py.
"""

_base_ = './efficientnet-v2-mini_1xb64-20e_digits.py'
model = dict(head=dict(dropouts=(0.1,)))
train_pipeline = [
    dict(
        type='projects.Progressive',
        transform=_base_.train_pipeline[0],
        key='scale',
        follows='image_size',
    ),
    *_base_.train_pipeline[1:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='projects.ProgressiveLearningHook',
        num_stages=4,
        image_size=(16, _base_.input_size),
        dropout=(0.0, 0.1),
    ),
]
