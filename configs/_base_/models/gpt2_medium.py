"""GPT-2 medium, 1,024 positions, 50,257 tokens."""

default_scope = 'mmengine'
model = dict(
    type='projects.CausalLanguageModel',
    backbone=dict(
        type='projects.GPT', arch='medium', vocab_size=50257, max_length=1024
    ),
)
