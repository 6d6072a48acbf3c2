"""All of a run but the model: ImageNet at 224, torchvision's 90 epochs."""

_base_ = [
    '../datasets/imagenet_224.py',
    '../schedules/step_90e.py',
    '../default_runtime.py',
]
