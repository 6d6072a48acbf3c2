"""Twenty-five Gaussians on a grid of 5 x 5, 2 apart, std 0.05 (Srivastava et al.,
"VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning", NeurIPS
2017, Sec. 4.1).

Otherwise as ring8.py.
"""

_base_ = './ring8.py'
mixture = dict(layout='grid', num_modes=25, scale=4.0, std=0.05)
train_dataloader = dict(dataset=mixture)
val_dataloader = dict(dataset=mixture)
test_dataloader = dict(dataset=mixture)
