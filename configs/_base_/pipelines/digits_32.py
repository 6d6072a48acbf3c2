"""digits enlarged to 32 x 32."""

_base_ = './digits_28.py'
input_size = 32
train_pipeline = [
    {**_base_.train_pipeline[0], 'scale': (input_size, input_size)},
    *_base_.train_pipeline[1:],
]
test_pipeline = [
    {**_base_.test_pipeline[0], 'scale': (input_size, input_size)},
    *_base_.test_pipeline[1:],
]
