"""All of a run but the model: digits-coco at 192 x 192, 15 epochs on a CPU.

``train_cfg = dict(max_epochs=...)`` stretches the schedule.
"""

_base_ = [
    '../datasets/digits_coco_192.py',
    '../schedules/adamw_cosine_15e.py',
    '../detection_runtime.py',
]
