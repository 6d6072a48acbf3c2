"""GAN, with the min-max game of the first paper, on the ring of 8 Gaussians.

RESULT

    python tools/train.py configs/gan/gan-minmax-mlp_1xb64-3500i_ring8.py
"""

_base_ = './gan-mlp_1xb64-3500i_ring8.py'
model = dict(loss=dict(type='projects.MinMaxLoss'))
