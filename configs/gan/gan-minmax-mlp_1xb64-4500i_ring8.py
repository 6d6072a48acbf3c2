"""GAN, with the min-max game of the first paper, on the ring of 8 Gaussians.

0, 1, 1 modes of 8, 0.00, 89.00, 39.02 % good samples, KL 2.0794, 1.7410, 2.0794 (seeds
0, 1, 2); trained in 37, 33, 30 s on one core of two, the other one busy.

    python tools/train.py configs/gan/gan-minmax-mlp_1xb64-4500i_ring8.py
"""

_base_ = './gan-mlp_1xb64-4500i_ring8.py'
model = dict(loss=dict(type='projects.MinMaxLoss'))
