"""VGG-11, a quarter as wide, on digits of 32 x 32 pixels.

Top-1 97.98 % (seed 0), trained in 38 s on two CPU cores.

    python tools/train.py configs/vgg/vgg11_1xb64-20e_digits.py
"""

_base_ = ['../_base_/models/vgg11.py', '../_base_/recipes/digits_32.py']
channels = (16, 32, 64, 128, 128)  # a sixteenth of the work
model = dict(
    data_preprocessor=_base_.grey_model.data_preprocessor,
    backbone=dict(channels=channels, in_channels=1),
    # 32 pixels leave one of the last map, and ten classes need no 4,096
    head=dict(
        num_classes=10,
        in_channels=channels[-1],
        pool_size=1,
        hidden_channels=(512, 512),
        # 0.01 is meant for 4,096, too
        init_cfg=dict(_delete_=True, type='Kaiming', layer='Linear'),
    ),
)
