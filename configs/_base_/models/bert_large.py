"""BERT-large, uncased, with its two heads of pre-training."""

_base_ = './bert_base.py'
model = dict(backbone=dict(embed_dims=1024, num_layers=24, num_heads=16, mlp_dims=4096))
