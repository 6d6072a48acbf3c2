"""torch.nn.LSTM of the sizes of lstm-256_1xb16-2500i_source.py, to compare with."""

default_scope = 'mmengine'
model = dict(
    type='projects.CausalLanguageModel',
    backbone=dict(
        type='projects.TorchRecurrent',
        cell='LSTM',
        vocab_size=261,
        input_dims=64,
        hidden_dims=256,
    ),
)
