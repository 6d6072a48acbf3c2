"""Augmentation of torchvision's SSDLite at 320 x 320: crop and flip."""

_base_ = './ssd_300.py'
input_size = (320, 320)
train_pipeline = [
    {**step, 'scale': input_size} if 'scale' in step else step
    for step in _base_.train_pipeline
    if step['type'] not in ('PhotoMetricDistortion', 'Expand')
]
test_pipeline = [
    {**step, 'scale': input_size} if 'scale' in step else step
    for step in _base_.test_pipeline
]
