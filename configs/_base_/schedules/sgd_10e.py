"""Plain SGD at a constant rate, 10 epochs of 128 images a step: LeNet's in
Zhang et al., "Dive into Deep Learning", Sec. 7.6.2, https://d2l.ai."""

train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
param_scheduler = []
auto_scale_lr = dict(base_batch_size=128)
