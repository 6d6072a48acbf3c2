"""GAN, with the min-max game of the first paper, on the grid of 25 Gaussians.

RESULT

    python tools/train.py configs/gan/gan-minmax-mlp_1xb64-3500i_grid25.py
"""

_base_ = './gan-mlp_1xb64-3500i_grid25.py'
model = dict(loss=dict(type='projects.MinMaxLoss'))
