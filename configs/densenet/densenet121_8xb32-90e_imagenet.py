"""DenseNet-121 on ImageNet, after the paper (Sec. 4.1 and 4.2).

    tools/dist_train.sh configs/densenet/densenet121_8xb32-90e_imagenet.py 8

Rate, batch, epochs and decay are those of ResNet, with Nesterov's momentum;
known from secondary sources.
"""

_base_ = [
    '../_base_/models/densenet121.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/imagenet_224.py',
    '../_base_/schedules/step_90e.py',
    '../_base_/default_runtime.py',
]
optim_wrapper = dict(optimizer=dict(nesterov=True))
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
