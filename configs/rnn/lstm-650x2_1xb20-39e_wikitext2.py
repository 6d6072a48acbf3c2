"""Two layers of LSTM on WikiText-2: the medium model of Zaremba et al.
(arXiv:1409.2329, Sec. 4.1), with 10,000 tokens of byte pairs in the place of words.

    python tools/train.py configs/rnn/lstm-650x2_1xb20-39e_wikitext2.py

Expects data/wikitext-2-raw/wiki.train.raw, wiki.valid.raw and wiki.test.raw (Merity et
al., ICLR 2017). The paper's Penn Treebank, as any text, is read by other names of
``dataset.corpus``.
"""

_base_ = ['../_base_/datasets/text_files.py', '../_base_/default_runtime.py']
default_scope = 'mmengine'
model = dict(
    type='projects.CausalLanguageModel',
    backbone=dict(
        type='projects.RNN',
        cell='lstm',
        vocab_size=None,
        input_dims=650,
        hidden_dims=650,
        num_layers=2,
        dropout=0.5,
    ),
)
corpus = dict(
    data_root='data/wikitext-2-raw',
    train='wiki.train.raw',
    val='wiki.valid.raw',
    test='wiki.test.raw',
)
num_steps = 35
dataset = dict(corpus=corpus, length=num_steps, tokenizer=dict(vocab_size=10_000))
# a state has no greatest length; what a window begins with was read before
window = dict(**{**dataset, 'length': 1024}, context=128)
train_dataloader = dict(
    batch_size=20, sampler=dict(type='DefaultSampler'), dataset=dataset
)
val_dataloader = dict(dataset=window)
test_dataloader = dict(dataset=window)
train_cfg = dict(by_epoch=True, max_epochs=39, val_interval=1)
val_cfg = dict()
test_cfg = dict()
# The paper has a rate of 1 and clips at 5, with losses that are summed over the steps;
# here they are averaged.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1.0 * num_steps),
    clip_grad=dict(max_norm=5 / num_steps),
)
# after six epochs, each epoch
param_scheduler = [dict(type='ExponentialLR', gamma=1 / 1.2, by_epoch=True, begin=5)]
auto_scale_lr = dict(base_batch_size=20)
