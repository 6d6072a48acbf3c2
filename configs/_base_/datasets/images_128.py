"""Images of a folder at 128 x 128, see images_64.py."""

_base_ = './images_64.py'
input_size = 128
pipeline = [
    _base_.pipeline[0],
    {**_base_.pipeline[1], 'scale': input_size},
    {**_base_.pipeline[2], 'crop_size': input_size},
    _base_.pipeline[3],
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
