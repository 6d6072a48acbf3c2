"""ImageNet-1k with torchvision's pipelines at 224 x 224."""

_base_ = ['./imagenet.py', '../pipelines/imagenet_224.py']
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
