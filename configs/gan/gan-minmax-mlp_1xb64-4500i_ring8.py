"""GAN, with the min-max game of the first paper, on the ring of 8 Gaussians.

0, 1 modes of 8, 0.00, 51.10 % good samples, KL 2.0715, 2.0794 (seeds 0, 1), trained in
27, 26 s by one thread on two cores that others used as well (25 to 31 s of CPU).

    python tools/train.py configs/gan/gan-minmax-mlp_1xb64-4500i_ring8.py
"""

_base_ = './gan-mlp_1xb64-4500i_ring8.py'
model = dict(loss=dict(type='projects.MinMaxLoss'))
