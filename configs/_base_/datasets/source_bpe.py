"""source: the standard library in windows of 256 tokens of byte-level BPE (2,048).

The tokenizer is learnt on the training split and saved in ``data/source``.
"""

_base_ = './source_bytes.py'
tokenizer = dict(kind='bpe', vocab_size=2048)
train_dataloader = dict(dataset=dict(tokenizer=tokenizer))
val_dataloader = dict(dataset=dict(tokenizer=tokenizer))
test_dataloader = dict(dataset=dict(tokenizer=tokenizer))
