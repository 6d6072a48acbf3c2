"""All of a run but the model: digits at 64 x 64, 20 epochs on a CPU.

``train_cfg = dict(max_epochs=...)`` stretches the schedule.
"""

_base_ = [
    '../datasets/digits_64.py',
    '../schedules/digits_20e.py',
    '../default_runtime.py',
]
