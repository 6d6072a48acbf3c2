"""A small GPT-2 for texts without a download; of bytes."""

default_scope = 'mmengine'
model = dict(
    type='projects.CausalLanguageModel',
    backbone=dict(
        type='projects.GPT',
        arch=(192, 4, 4),  # width, blocks, heads
        vocab_size=261,
        max_length=256,
        dropout=0.0,
    ),
)
