"""CIFAR-10: 50,000 pictures to train on, 10,000 held out, 32 x 32.

Expects data/cifar10/cifar-10-batches-py as the archive unpacks. The pictures
are RGB in memory, so that ``data_preprocessor`` has no ``to_rgb``. A run
config sets the pipelines.
"""

dataset_type = 'CIFAR10'
data_root = 'data/cifar10'
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
        test_mode=True,
        download=False,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='projects.Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
