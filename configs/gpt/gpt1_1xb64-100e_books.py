"""GPT on a folder of books, after the paper (Sec. 4.1): 100 epochs, 64 windows of 512
tokens a step.

    python tools/train.py configs/gpt/gpt1_1xb64-100e_books.py

Expects data/books/train, val and test, folders with a ``*.txt`` for each book. The
paper's BooksCorpus is no longer published. The tokenizer is learnt of the books: as
many tokens as the paper's, but of bytes and of upper and lower case.
"""

_base_ = [
    '../_base_/models/gpt1.py',
    '../_base_/datasets/text_files.py',
    '../_base_/default_runtime.py',
]
length = 512
dataset = dict(
    corpus=dict(data_root='data/books', train='train', val='val', test='test'),
    length=length,
    tokenizer=dict(vocab_size=40478),
)
train_dataloader = dict(
    batch_size=64, sampler=dict(type='DefaultSampler'), dataset=dataset
)
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dict(context=length // 2, **dataset))
max_epochs = 100
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.00025, weight_decay=0.01),
    # "on all non bias or gain weights"
    paramwise_cfg=dict(flat_decay_mult=0),
    clip_grad=dict(max_norm=1),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.0005, by_epoch=False, begin=0, end=2000),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        by_epoch=True,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=64)
