"""Schedule of MobileNetV1: 100 epochs, 256 images a step.

From secondary sources. The paper trains as Inception V3 was (Szegedy et al.,
"Rethinking the Inception Architecture for Computer Vision", CVPR 2016, Sec. 8),
with little weight decay: TF-Slim has 0.00004, and none in depthwise
convolutions. Fifty processes there take steps of 32 images each, at times of
their own; the 256 images of one step are our choice.
"""

max_epochs = 100
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='RMSprop', lr=0.045, alpha=0.9, eps=1.0, weight_decay=0.00004),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, dwconv_decay_mult=0),
    clip_grad=dict(max_norm=2),
)
param_scheduler = [
    dict(
        type='StepLR', begin=0, end=max_epochs, by_epoch=True, step_size=2, gamma=0.94
    ),
]
auto_scale_lr = dict(base_batch_size=256)
