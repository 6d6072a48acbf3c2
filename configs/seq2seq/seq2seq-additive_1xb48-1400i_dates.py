"""Dates to ISO 8601, with attention.

python tools/train.py configs/seq2seq/seq2seq-additive_1xb48-1400i_dates.py
"""

_base_ = [
    '../_base_/datasets/dates.py',
    '../_base_/schedules/adam_cosine_iters.py',
    '../_base_/iter_runtime.py',
]
default_scope = 'mmengine'
model = dict(
    type='projects.EncoderDecoder',
    backbone=dict(
        type='projects.Seq2Seq',
        vocab_size=None,
        attention='additive',
        embed_dims=64,
        hidden_dims=128,
        num_layers=1,
        bidirectional=True,
    ),
)
train_dataloader = dict(
    batch_size=48, batch_sampler=dict(type='projects.LengthBatchSampler')
)
train_cfg = dict(max_iters=1400, val_interval=1400)
