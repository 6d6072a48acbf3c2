"""All of a run but the model: digits at 28 x 28, 20 epochs on a CPU.

``train_cfg = dict(max_epochs=...)`` stretches the schedule.
"""

_base_ = [
    '../datasets/digits_28.py',
    '../schedules/digits_20e.py',
    '../default_runtime.py',
]
