"""SSDLite on MobileNetV3-Large on COCO, torchvision's schedule.

tools/dist_train.sh configs/ssd/ssdlite320-mobilenetv3_8xb24-660e_coco.py 8
"""

_base_ = [
    '../_base_/models/ssdlite320_mobilenet_v3_large.py',
    '../_base_/datasets/coco_ssdlite_320.py',
    '../_base_/schedules/ssdlite_660e.py',
    '../_base_/detection_runtime.py',
]
model = dict(bbox_head=dict(num_classes=80))
train_dataloader = dict(batch_size=24, num_workers=4)
