"""torch.nn.Transformer of the base model's sizes, to compare with."""

default_scope = 'mmengine'
model = dict(
    type='projects.EncoderDecoder', backbone=dict(type='projects.TorchTranslator')
)
