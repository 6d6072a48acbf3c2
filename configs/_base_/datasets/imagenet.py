"""ImageNet-1k: 1,281,167 training images, 50,000 for validation.

Expects data/imagenet/train/<wnid>/*.JPEG, and data/imagenet/val the same way
or flat with data/imagenet/meta/val.txt ("<file> <label>" a line).
imagenet_224.py sets the pipelines.
"""

data_root = 'data/imagenet'
train_dataloader = dict(
    batch_size=32,
    num_workers=5,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='ImageNet', data_root=data_root, split='train'),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=5,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ImageNet', data_root=data_root, split='val'),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='projects.Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
