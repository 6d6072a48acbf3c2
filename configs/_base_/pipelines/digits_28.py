"""digits enlarged to 28 x 28, the size of MNIST."""

input_size = 28
train_pipeline = [
    dict(type='Resize', scale=(input_size, input_size), interpolation='bicubic'),
    dict(type='NumpyToPIL'),
    # no flip: a mirrored digit is no digit
    dict(
        type='torchvision/RandomAffine',
        degrees=10,
        translate=(0.1, 0.1),
        scale=(0.9, 1.1),
    ),
    dict(type='PILToNumpy'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='Resize', scale=(input_size, input_size), interpolation='bicubic'),
    dict(type='PackInputs'),
]
