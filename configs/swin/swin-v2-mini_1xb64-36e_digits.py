"""A small Swin V2 on digits: patches of 4 x 4 pixels, windows of 4 x 4 tokens, two
stages.

Top-1 97.64 % (seed 0), trained in 166 s on one CPU core.

    python tools/train.py configs/swin/swin-v2-mini_1xb64-36e_digits.py
"""

_base_ = ['../_base_/models/swin_v2_t.py', '../_base_/recipes/digits_32.py']
model = _base_.grey_model
# maps of 8 tokens, whose windows are shifted in every second block, and of 4
model['backbone'].update(
    arch=(48, (2, 4), (3, 6)),
    window_size=4,
    # 864 steps are too few for what regularises 300 epochs
    stochastic_depth_prob=0.0,
    # 0.02 is for layers of some hundred channels; these would begin near zero
    init_cfg=dict(type='TruncNormal', layer='Linear', std=0.1),
)
model['head'].update(
    in_channels=96,
    loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
)
# stronger than for convolutional networks, and averaged weights: it over-fits at once
affine = dict(_base_.train_pipeline[2], degrees=12, scale=(0.85, 1.15), shear=12)
train_pipeline = [
    *_base_.train_pipeline[:2],
    affine,
    *_base_.train_pipeline[3:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_epochs=36, val_interval=6)
ema_hook = dict(type='EMAHook', momentum=0.02)  # of the last two epochs
custom_hooks = [*_base_.custom_hooks, ema_hook]
