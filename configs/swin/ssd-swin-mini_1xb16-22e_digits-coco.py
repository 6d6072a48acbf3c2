"""SSD on a small Swin on digits-coco. From random weights it has not begun to learn
after six epochs (README, "Results").

Not measured yet.

    python tools/train.py configs/swin/ssd-swin-mini_1xb16-22e_digits-coco.py
"""

_base_ = ['../_base_/models/ssd_swin_mini.py', '../_base_/recipes/digits_coco.py']
model = dict(bbox_head=dict(num_classes=10))
train_cfg = dict(max_epochs=22, val_interval=11)
