"""A small Swin on digits: patches of 2 x 2 pixels, windows of 4 x 4 tokens, three
stages of two blocks.

    python tools/train.py configs/swin/swin-mini_1xb64-30e_digits.py
"""

_base_ = ['../_base_/models/swin_t.py', '../_base_/recipes/digits_32.py']
model = _base_.grey_model
# maps of 16, 8 and 4 tokens: windows are shifted in the first two stages
model['backbone'].update(
    arch=(32, (2, 2, 2), (2, 4, 8)),
    patch_size=2,
    window_size=4,
    # too few steps for what regularises 300 epochs
    stochastic_depth_prob=0.0,
    # 0.02 is for layers of some hundred channels; these would begin near zero
    init_cfg=dict(type='TruncNormal', layer='Linear', std=0.1),
)
model['head'].update(in_channels=128)
train_cfg = dict(max_epochs=30)
