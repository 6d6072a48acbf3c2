"""YOLOv1-mini on digits-coco."""
_base_ = ['../_base_/models/yolov1.py', '../_base_/datasets/digits_coco.py',
          '../_base_/schedules/adamw_cosine_cpu.py',
          '../_base_/default_runtime.py']
norm_cfg = dict(type='BN')
model = dict(
    backbone=dict(arch='mini', norm_cfg=norm_cfg),
    bbox_head=dict(
        num_classes=10, in_channels=192, grid_size=10,
        predictor=dict(_delete_=True, type='projects.YOLOv1ConvPredictor')))
