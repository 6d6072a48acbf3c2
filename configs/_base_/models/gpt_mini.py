"""A small GPT-2 for texts without a download: 2,048 tokens, 256 positions."""

default_scope = 'mmengine'
model = dict(
    type='projects.CausalLanguageModel',
    backbone=dict(
        type='projects.GPT',
        arch=(128, 3, 4),  # width, blocks, heads
        vocab_size=2048,
        max_length=256,
        # it is trained on less than its text once
        dropout=0.0,
    ),
)
