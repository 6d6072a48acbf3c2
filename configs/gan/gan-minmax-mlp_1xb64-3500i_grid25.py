"""GAN, with the min-max game of the first paper, on the grid of 25 Gaussians.

12, 12, 10 modes of 25, 63.56, 66.64, 40.66 % good samples, KL 0.7916, 0.8305, 0.7126
(seeds 0, 1, 2); trained in 34, 29, 22 s on one core of two, the other one busy.

    python tools/train.py configs/gan/gan-minmax-mlp_1xb64-3500i_grid25.py
"""

_base_ = './gan-mlp_1xb64-3500i_grid25.py'
model = dict(loss=dict(type='projects.MinMaxLoss'))
