"""Augmentation of SSD at 512 x 512."""

_base_ = './ssd_300.py'
input_size = (512, 512)
train_pipeline = [
    {**step, 'scale': input_size} if 'scale' in step else step
    for step in _base_.train_pipeline
]
test_pipeline = [
    {**step, 'scale': input_size} if 'scale' in step else step
    for step in _base_.test_pipeline
]
