"""YOLOv1 with batch norm on VOC 07+12, from scratch, the paper's schedule.

tools/dist_train.sh configs/yolov1/yolov1-bn_8xb8-135e_voc0712.py 8
"""

_base_ = './yolov1_8xb8-135e_voc0712.py'
norm_cfg = dict(type='BN')
model = dict(backbone=dict(norm_cfg=norm_cfg), neck=dict(norm_cfg=norm_cfg))
