"""BERT-base, uncased, with its two heads of pre-training."""

default_scope = 'mmengine'
model = dict(
    type='projects.BERTForPreTraining',
    backbone=dict(type='projects.BERT', vocab_size=30522),
)
