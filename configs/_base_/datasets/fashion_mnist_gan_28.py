"""Fashion-MNIST at 28 x 28 for generators, as mnist_gan_28.py.

Files, sizes and names are MNIST's, in data/fashion-mnist.
"""

_base_ = './mnist_gan_28.py'
dataset_type = 'FashionMNIST'
data_root = 'data/fashion-mnist'
data = dict(dataset=dict(type=dataset_type, data_root=data_root))
train_dataloader = data
val_dataloader = data
test_dataloader = data
judge = dict(config='lenet/lenet5_1xb128-10e_fashion-mnist.py')
val_evaluator = dict(judge=judge)
test_evaluator = dict(
    judge=judge, held_out=dict(type=dataset_type, data_root=data_root)
)
