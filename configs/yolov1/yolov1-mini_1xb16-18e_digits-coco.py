"""YOLOv1-mini on digits-coco."""
_base_ = ['../_base_/models/yolov1_mini.py',
          '../_base_/datasets/digits_coco.py',
          '../_base_/schedules/adamw_cosine_cpu.py',
          '../_base_/default_runtime.py']
model = dict(bbox_head=dict(num_classes=10))
input_size = (160, 160)
train_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    # no flip: a mirrored digit is no digit
    dict(type='projects.RandomEdgeJitter', jitter=0.1),
    dict(type='Resize', scale=input_size, keep_ratio=False),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='projects.LoadImageFromFile'),
    dict(type='Resize', scale=input_size, keep_ratio=False),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=(
        'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='projects.ChannelsLastHook'),
    dict(type='projects.DetectionPicturesHook'),
]
