"""A small GPT on Python's standard library, in 2,048 tokens of byte pairs.

1.734 bits per byte (seed 0, 200 kB of the split val, Python 3.11.7), trained in 273 s
on one core of two, the other one busy.

    python tools/train.py configs/gpt/gpt-mini_1xb8-1800i_source-bpe.py
    python tools/infer.py work_dirs/gpt-mini_1xb8-1800i_source-bpe/iter_1800.pth class

A step is 8 windows of 128 tokens, about 3,300 bytes; the whole run reads 5.9 MB of the
8.3.
"""

_base_ = [
    '../_base_/models/gpt_mini.py',
    '../_base_/datasets/source_bpe.py',
    '../_base_/schedules/gpt_1800i.py',
    '../_base_/iter_runtime.py',
]
length = 128
model = dict(backbone=dict(vocab_size=None, max_length=length))
train_dataloader = dict(batch_size=8, dataset=dict(length=length))
# of each window the first half is only read: no token has fewer before it
val_dataloader = dict(dataset=dict(length=length, context=length // 2))
test_dataloader = dict(dataset=dict(length=length, context=length // 2))
