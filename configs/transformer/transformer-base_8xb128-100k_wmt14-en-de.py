"""Transformer (base) on WMT 2014, English to German; the paper's BLEU is 27.3.

    tools/dist_train.sh \\
        configs/transformer/transformer-base_8xb128-100k_wmt14-en-de.py 8

Not run here. The files are those of ``_base_/datasets/parallel_files.py``.
"""

_base_ = [
    '../_base_/models/transformer_base.py',
    '../_base_/datasets/parallel_files.py',
    '../_base_/schedules/transformer_100ki.py',
    '../_base_/iter_runtime.py',
]
model = dict(backbone=dict(vocab_size=None))
# of the 25,000 tokens of either language each of eight processes has its part: some
# 128 pairs
train_dataloader = dict(batch_size=128, batch_sampler=dict(max_tokens=25_000 // 8))
default_hooks = dict(checkpoint=dict(interval=10_000))
param_scheduler = [
    dict(_base_.param_scheduler[0], embed_dims=_base_.model.backbone.embed_dims),
]
custom_hooks = [*_base_.custom_hooks, _base_.average_hook]
