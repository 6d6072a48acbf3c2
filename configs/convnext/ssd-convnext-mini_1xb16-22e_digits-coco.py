"""SSD on a small ConvNeXt on digits-coco. From random weights it does not learn in this
time: mAP 0.000 after 11 epochs (README, "Results").

python tools/train.py configs/convnext/ssd-convnext-mini_1xb16-22e_digits-coco.py
"""

_base_ = ['../_base_/models/ssd_convnext_mini.py', '../_base_/recipes/digits_coco.py']
model = dict(bbox_head=dict(num_classes=10))
train_cfg = dict(max_epochs=22, val_interval=11)
