"""A small BERT for a CPU: three layers of 128."""

_base_ = './bert_base.py'
model = dict(
    backbone=dict(
        embed_dims=128,
        num_layers=3,
        num_heads=4,
        mlp_dims=256,
        max_length=64,
        # it sees too much text, not too little
        dropout=0.0,
    )
)
