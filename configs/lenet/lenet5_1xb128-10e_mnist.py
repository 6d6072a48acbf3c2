"""LeNet-5 with sigmoids on MNIST, as in "Dive into Deep Learning".

python tools/train.py configs/lenet/lenet5_1xb128-10e_mnist.py
"""

_base_ = [
    '../_base_/models/lenet5.py',
    '../_base_/datasets/mnist_28.py',
    '../_base_/schedules/sgd_10e.py',
    '../_base_/default_runtime.py',
]
# Sec. 7.6.2: pixels in [0, 1], neither centred nor scaled
model = dict(data_preprocessor=dict(mean=[0.0], std=[255.0]))
