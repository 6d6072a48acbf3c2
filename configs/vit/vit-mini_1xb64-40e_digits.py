"""A small ViT on digits, at 28 pixels: 7 x 7 patches of 4 x 4, six blocks.

python tools/train.py configs/vit/vit-mini_1xb64-40e_digits.py
"""

_base_ = ['../_base_/models/vit_b_16.py', '../_base_/recipes/digits_28.py']
model = _base_.grey_model
model['backbone'].update(
    arch=(96, 6, 3, 192),  # width, blocks, heads, width of the MLPs
    patch_size=4,
    img_size=_base_.input_size,
)
model['head']['in_channels'] = 96
train_cfg = dict(max_epochs=40, val_interval=10)
