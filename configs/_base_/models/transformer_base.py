"""Transformer (base), 37,000 tokens that source and target share."""

default_scope = 'mmengine'
model = dict(
    type='projects.EncoderDecoder',
    backbone=dict(  # Table 3
        type='projects.Transformer',
        vocab_size=37000,
        embed_dims=512,
        num_heads=8,
        num_encoder_layers=6,
        num_decoder_layers=6,
        feedforward_dims=2048,
        dropout=0.1,
    ),
    label_smoothing=0.1,
    search=dict(beam_size=4, length_penalty=0.6),  # Sec. 6.1
)
