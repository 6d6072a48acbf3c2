"""WikiText-103 (Merity et al., ICLR 2017), raw: 103 million words to train on.

Expects data/wikitext-103-raw/wiki.train.raw, wiki.valid.raw and wiki.test.raw. The
windows are of 1,024 tokens; those of a test begin with 512 that are only read.
"""

_base_ = './text_files.py'
corpus = dict(
    data_root='data/wikitext-103-raw',
    train='wiki.train.raw',
    val='wiki.valid.raw',
    test='wiki.test.raw',
)
# GPT-2's number of tokens
tokenizer = dict(vocab_size=50257)
dataset = dict(corpus=corpus, length=1024, tokenizer=tokenizer)
train_dataloader = dict(batch_size=8, dataset=dataset)
val_dataloader = dict(batch_size=8, dataset=dataset)
test_dataloader = dict(batch_size=8, dataset=dict(context=512, **dataset))
