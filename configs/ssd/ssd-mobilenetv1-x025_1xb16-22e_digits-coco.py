"""SSD on MobileNetV1 of width 0.25 on digits-coco: bbox_mAP 0.607, bbox_mAP_50
0.848 (seed 0).

    python tools/train.py configs/ssd/ssd-mobilenetv1-x025_1xb16-22e_digits-coco.py
"""

_base_ = [
    '../_base_/models/ssd_mobilenet_v1_x0_25.py',
    '../_base_/recipes/digits_coco.py',
]
model = dict(bbox_head=dict(num_classes=10))
train_cfg = dict(max_epochs=22, val_interval=11)
