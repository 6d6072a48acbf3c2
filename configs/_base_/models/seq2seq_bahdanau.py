"""Encoder-decoder with additive attention: two layers of 256, 200 tokens to read and
200 to write, 2,060,744 parameters.

The widths of Zhang et al., "Dive into Deep Learning", Sec. 11.4.
"""

default_scope = 'mmengine'
model = dict(
    type='projects.EncoderDecoder',
    backbone=dict(
        type='projects.Seq2Seq',
        vocab_size=200,
        source_vocab_size=200,
        attention='additive',
        embed_dims=256,
        hidden_dims=256,
        num_layers=2,
        dropout=0.2,
    ),
)
