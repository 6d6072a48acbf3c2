"""GPT, 512 positions, the 40,478 tokens of its byte pair encoding."""

default_scope = 'mmengine'
model = dict(
    type='projects.CausalLanguageModel',
    backbone=dict(
        type='projects.GPT',
        arch='small',
        vocab_size=40478,
        max_length=512,
        pre_norm=False,
    ),
)
