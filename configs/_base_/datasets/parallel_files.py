"""Parallel files, a sentence a line: WMT 2014, English to German.

Expects data/wmt14_en_de/{train,val,test}.{en,de}. One tokenizer of byte-level BPE
serves both languages, as "Attention Is All You Need" (Sec. 5.1) has it with some
37,000 tokens. A batch holds at most 25,000 tokens of either language.
"""

corpus = dict(
    type='projects.ParallelFiles',
    data_root='data/wmt14_en_de',
    train=('train.en', 'train.de'),
    val=('val.en', 'val.de'),
    test=('test.en', 'test.de'),
)
tokenizer = dict(kind='bpe', vocab_size=37000)
dataset = dict(type='projects.PairDataset', corpus=corpus, tokenizer=tokenizer)
train_dataloader = dict(
    batch_size=1024,  # in the pools of which batches are made
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    batch_sampler=dict(type='projects.LengthBatchSampler', max_tokens=25_000),
    dataset=dict(split='train', **dataset),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='val', **dataset),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', **dataset),
)
val_evaluator = dict(type='projects.TranslationMetric')
test_evaluator = val_evaluator
