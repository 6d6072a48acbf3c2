"""CIFAR-100: 100 classes of 500 pictures to train on, 100 held out, 32 x 32.

Expects data/cifar100/cifar-100-python as the archive unpacks; otherwise as
cifar10.py.
"""

_base_ = './cifar10.py'
dataset_type = 'CIFAR100'
data_root = 'data/cifar100'
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = val_dataloader
