"""digits enlarged to 64 x 64."""

_base_ = './digits_28.py'
input_size = 64
train_pipeline = [
    {**_base_.train_pipeline[0], 'scale': (input_size, input_size)},
    *_base_.train_pipeline[1:],
]
test_pipeline = [
    {**_base_.test_pipeline[0], 'scale': (input_size, input_size)},
    *_base_.test_pipeline[1:],
]
