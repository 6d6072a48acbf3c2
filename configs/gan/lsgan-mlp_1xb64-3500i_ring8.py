"""Least-squares GAN on the ring of 8 Gaussians.

2 modes of 8, 98.3 % good samples, KL 1.3876 (seed 0), trained in 27 s on one CPU core
of two, the other one busy.

    python tools/train.py configs/gan/lsgan-mlp_1xb64-3500i_ring8.py
"""

_base_ = './gan-mlp_1xb64-3500i_ring8.py'
model = dict(loss=dict(type='projects.LeastSquaresLoss'))
