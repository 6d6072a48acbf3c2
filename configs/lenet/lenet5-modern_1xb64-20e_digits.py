"""LeNet-5 of today on digits.

Top-1 97.31 % (seed 0), trained in 26 s on two CPU cores.

    python tools/train.py configs/lenet/lenet5-modern_1xb64-20e_digits.py
"""

_base_ = ['../_base_/models/lenet5_modern.py', '../_base_/recipes/digits_28.py']
