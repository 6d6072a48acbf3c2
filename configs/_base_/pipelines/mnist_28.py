"""MNIST and Fashion-MNIST as they are, without augmentation."""

train_pipeline = [dict(type='PackInputs')]
test_pipeline = [
    dict(type='Resize', scale=(28, 28)),  # a file given to tools/infer.py
    dict(type='PackInputs'),
]
