"""A small EfficientNetV2 on digits: all six stages, at most two blocks each.

Top-1 97.98 % (seed 0), trained in 76 s on two CPU cores.

    python tools/train.py \\
        configs/efficientnetv2/efficientnet-v2-mini_1xb64-20e_digits.py
"""

_base_ = ['../_base_/models/efficientnet_v2_s.py', '../_base_/recipes/digits_64.py']
model = _base_.grey_model
# the operators, expansions and strides of S; its 21 million parameters are too
# many for a CPU
model['backbone'].update(
    arch=(
        ('FusedMBConv', 1, 1, 8, 1),
        ('FusedMBConv', 4, 2, 16, 2),
        ('FusedMBConv', 4, 2, 24, 2),
        ('MBConv', 4, 2, 32, 2),
        ('MBConv', 6, 1, 40, 2),
        ('MBConv', 6, 2, 64, 2),
    ),
    last_channels=512,
    # 480 steps are too few for what regularises 350 epochs
    stochastic_depth_prob=0.0,
)
# nor do they suit a final layer that begins with weights of 0.3, as with ten classes
model['head'].update(dropouts=(0.0,), init_cfg=None, in_channels=512)
# narrow networks take, and in so few steps need, twice the rate
optim_wrapper = dict(optimizer=dict(lr=2 * _base_.optim_wrapper.optimizer.lr))
