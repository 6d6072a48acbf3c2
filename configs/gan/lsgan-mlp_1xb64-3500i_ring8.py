"""Least-squares GAN on the ring of 8 Gaussians.

RESULT

    python tools/train.py configs/gan/lsgan-mlp_1xb64-3500i_ring8.py
"""

_base_ = './gan-mlp_1xb64-3500i_ring8.py'
model = dict(loss=dict(type='projects.LeastSquaresLoss'))
