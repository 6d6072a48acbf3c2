"""GAN, with the min-max game of the first paper, on the grid of 25 Gaussians.

12, 12 modes of 25, 63.56, 66.64 % good samples, KL 0.7916, 0.8305 (seeds 0, 1), trained
in 34, 29 s by one thread on two cores that others used as well (25 to 31 s of CPU).

    python tools/train.py configs/gan/gan-minmax-mlp_1xb64-3500i_grid25.py
"""

_base_ = './gan-mlp_1xb64-3500i_grid25.py'
model = dict(loss=dict(type='projects.MinMaxLoss'))
