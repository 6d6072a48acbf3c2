"""Fashion-MNIST at 28 x 28, without augmentation."""

_base_ = ['./fashion_mnist.py', '../pipelines/mnist_28.py']
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
