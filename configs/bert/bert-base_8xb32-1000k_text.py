"""BERT-base as in the paper (appendix A.2): 256 sequences of 512 tokens, Adam at
0.0001, warm-up of 10,000 steps, linear decay, a million steps. Not run here.

    tools/dist_train.sh configs/bert/bert-base_8xb32-1000k_text.py 8

The paper takes sequences of 128 tokens for the first 900,000 steps, to save time:
``--cfg-options train_dataloader.dataset.max_length=128 train_cfg.max_iters=900000``.
"""

_base_ = [
    '../_base_/models/bert_base.py',
    '../_base_/datasets/sentence_pairs.py',
    '../_base_/schedules/adamw_linear_iters.py',
    '../_base_/iter_runtime.py',
]
model = dict(backbone=dict(vocab_size=None))
optim_wrapper = dict(optimizer=dict(lr=0.0001))
train_cfg = dict(max_iters=1_000_000, val_interval=10_000)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.0001, by_epoch=False, begin=0, end=10_000),
    dict(type='PolyLR', power=1, eta_min=0, by_epoch=False, begin=10_000),
]
default_hooks = dict(checkpoint=dict(interval=10_000))
auto_scale_lr = dict(base_batch_size=256)
