"""MNIST: 60,000 handwritten digits to train on, 10,000 held out, 28 x 28.

Expects the four unpacked files, data/mnist/train-images-idx3-ubyte,
train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte.
mnist_28.py sets the pipelines.
"""

dataset_type = 'MNIST'
data_root = 'data/mnist'
train_dataloader = dict(
    batch_size=128,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, split='train', download=False),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='test',
        test_mode=True,  # chooses the files; mmpretrain ignores the split
        download=False,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='projects.Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
