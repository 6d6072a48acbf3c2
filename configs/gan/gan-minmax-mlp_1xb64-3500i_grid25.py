"""GAN, with the min-max game of the first paper, on the grid of 25 Gaussians.

12 modes of 25, 63.6 % good samples, KL 0.7916 (seed 0), trained in 34 s on one CPU core
of two, the other one busy.

    python tools/train.py configs/gan/gan-minmax-mlp_1xb64-3500i_grid25.py
"""

_base_ = './gan-mlp_1xb64-3500i_grid25.py'
model = dict(loss=dict(type='projects.MinMaxLoss'))
