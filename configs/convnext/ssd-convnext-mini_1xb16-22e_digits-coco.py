"""SSD on a small ConvNeXt on digits-coco.

python tools/train.py configs/convnext/ssd-convnext-mini_1xb16-22e_digits-coco.py
"""

_base_ = [
    '../_base_/models/ssd_mini.py',
    '../_base_/recipes/digits_coco.py',
]
channels = (32, 64, 128, 256)
model = dict(
    backbone=dict(
        _delete_=True,
        type='projects.ConvNeXt',
        arch=(channels, (2, 2, 4, 2)),
        # 22 epochs are few: let the blocks take part from the beginning
        layer_scale=0.1,
        # maps whose values are alike, as SSD's head has no norm
        out_norms=True,
        out_indices=(1, 2, 3),
    ),
    neck=dict(in_channels=channels[1:], extras=()),
    bbox_head=dict(num_classes=10, in_channels=channels[1:]),
)
train_cfg = dict(max_epochs=22, val_interval=11)
