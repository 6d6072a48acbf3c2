"""Bahdanau et al.'s RNNsearch-50, English to French; not trained here.

Expects data/wmt14_en_fr/{train,val,test}.{en,fr}; the paper (Sec. 4.1) selects 348
million words of WMT 2014, and sentences of at most 50 words. Its vocabularies are
the 30,000 most frequent words of each language; here one of 30,000 tokens of
byte-level BPE serves both.

    python tools/train.py configs/seq2seq/rnnsearch-50_1xb80-288000i_wmt14-en-fr.py
"""

_base_ = [
    '../_base_/datasets/parallel_files.py',
    '../_base_/iter_runtime.py',
]
corpus = dict(
    data_root='data/wmt14_en_fr',
    train=('train.en', 'train.fr'),
    val=('val.en', 'val.fr'),
    test=('test.en', 'test.fr'),
)
dataset = dict(corpus=corpus, tokenizer=dict(vocab_size=30_000))
train_dataloader = dict(
    batch_size=80,
    # App. B.2: of 20 batches, sorted by length
    batch_sampler=dict(pool=20, max_tokens=None),
    dataset=dataset,
)
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
default_scope = 'mmengine'
model = dict(
    type='projects.EncoderDecoder',
    backbone=dict(
        type='projects.Seq2Seq',
        vocab_size=None,
        attention='additive',
        embed_dims=620,  # App. A.2.3
        hidden_dims=1000,
        num_layers=1,
        bidirectional=True,
    ),
    search=dict(beam_size=12),
)
optim_wrapper = dict(
    # App. B.2
    optimizer=dict(type='Adadelta', lr=1.0, rho=0.95, eps=1e-6),
    clip_grad=dict(max_norm=1.0),
)
train_cfg = dict(by_epoch=False, max_iters=288_000, val_interval=10_000)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(checkpoint=dict(interval=10_000))
