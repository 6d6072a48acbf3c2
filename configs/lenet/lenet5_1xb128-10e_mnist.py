"""LeNet-5 with sigmoids on MNIST, as in "Dive into Deep Learning".

python tools/train.py configs/lenet/lenet5_1xb128-10e_mnist.py
"""

_base_ = [
    '../_base_/models/lenet5.py',
    '../_base_/datasets/mnist.py',
    '../_base_/pipelines/mnist_28.py',
    '../_base_/schedules/sgd_10e.py',
    '../_base_/default_runtime.py',
]
# Sec. 7.6.2: pixels in [0, 1], neither centred nor scaled
model = dict(data_preprocessor=dict(mean=[0.0], std=[255.0]))
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
