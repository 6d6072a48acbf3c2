"""Fashion-MNIST: 60,000 pictures of clothes to train on, 10,000 held out.

Files, sizes and names are MNIST's, in data/fashion-mnist. fashion_mnist_28.py
sets the pipelines.
"""

_base_ = './mnist.py'
dataset_type = 'FashionMNIST'
data_root = 'data/fashion-mnist'
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = val_dataloader
