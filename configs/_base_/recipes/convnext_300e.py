"""All of a run but the model: ImageNet at 224, ConvNeXt's 300 epochs of 4,096 images a
step (Liu et al., CVPR 2022, Table 5).

A step is 8 GPUs x 64 images x 8 batches whose gradients are added up: what a GPU of 32
GB can hold of the larger models.
"""

_base_ = './imagenet_300e.py'
train_dataloader = dict(batch_size=64)
num_batches = 8  # of a step, on each GPU
optim_wrapper = dict(
    accumulative_counts=num_batches,
    optimizer=dict(lr=0.004),
    # (C, 1, 1) here, which are not flat; in the paper's code they have one dimension
    paramwise_cfg=dict(custom_keys=dict(layer_scale=dict(decay_mult=0))),
    clip_grad=None,
)
param_scheduler = [
    _base_.param_scheduler[0],
    {**_base_.param_scheduler[1], 'eta_min': 0.000001},
]
# with the accumulated batches, as the rate is meant for a step
auto_scale_lr = dict(base_batch_size=4096)
# The average is of the weights after each step, not after each batch: with an
# interval of 1 it would be eight times as short.
ema_hook = dict(type='EMAHook', momentum=1 - 0.9999, interval=num_batches)
custom_hooks = [*_base_.custom_hooks, ema_hook]
