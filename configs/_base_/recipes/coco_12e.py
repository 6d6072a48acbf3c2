"""All of a run but the model: COCO at 1333 x 800, AdamW for 12 epochs."""

_base_ = [
    '../datasets/coco_1333x800.py',
    '../schedules/adamw_step_12e.py',
    '../detection_runtime.py',
]
