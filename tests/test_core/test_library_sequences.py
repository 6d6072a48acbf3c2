"""Models of transformers and torch under our tools, at small sizes."""

import importlib

import pytest
import torch

from projects.core.benchmark.model import BenchmarkedModel, BenchmarkSettings
from projects.core.benchmark.references import references_of
from projects.core.errors import UserError
from projects.core.tasks.language import transformers_net
from projects.core.tasks.language.transformers_net import transformers_config
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.registry import MODELS

GPT = dict(n_embd=16, n_layer=2, n_head=2, vocab_size=50, n_positions=16)
SMALL = {
    'gpt1': GPT,
    'gpt2_small': GPT,
    'bert_base': dict(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        vocab_size=50,
    ),
    'transformer_base': dict(
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        vocab_size=50,
    ),
}
SETTINGS = dict(
    batch_size=2,
    input_size=(7,),
    objects=1,
    device=torch.device('cpu'),
    dtype=torch.float32,
    channels_last=None,
    compile=False,
    data=False,
    cfg_options=None,
)


@pytest.fixture
def small(monkeypatch):
    for name, settings in SMALL.items():
        net = {**transformers_net.NETS[name], **settings}
        monkeypatch.setitem(transformers_net.NETS, name, net)


def losses(model, batch):
    with torch.no_grad():
        return {k: v.item() for k, v in model(**batch, mode='loss').items()}


@pytest.mark.usefixtures('small')
@pytest.mark.parametrize(
    ('name', 'model'),
    [
        (
            'gpt2_small',
            dict(
                type='projects.CausalLanguageModel',
                backbone=dict(
                    type='projects.GPT', arch=(16, 2, 2), vocab_size=50, max_length=16
                ),
            ),
        ),
        (
            'bert_base',
            dict(
                type='projects.BERTForPreTraining',
                backbone=dict(
                    type='projects.BERT',
                    vocab_size=50,
                    embed_dims=16,
                    num_layers=2,
                    num_heads=2,
                    mlp_dims=32,
                ),
            ),
        ),
        (
            'transformer_base',
            dict(
                type='projects.EncoderDecoder',
                backbone=dict(
                    type='projects.Transformer',
                    vocab_size=50,
                    embed_dims=16,
                    num_heads=2,
                    num_encoder_layers=2,
                    num_decoder_layers=2,
                    feedforward_dims=32,
                    positions='halves',
                ),
            ),
        ),
    ],
)
def test_the_same_weights_give_the_same_losses(name, model):
    theirs = MODELS.build(transformers_config(f'transformers.{name}').model).eval()
    ours = MODELS.build(model).eval()
    load_weights(ours, theirs.backbone.net.state_dict(), name)
    benchmarked = BenchmarkedModel(
        f'transformers.{name}', BenchmarkSettings(**SETTINGS)
    )
    benchmarked.prepare()
    batch = benchmarked.batches['train']
    expected = losses(theirs, batch)
    assert losses(ours, batch) == pytest.approx(expected, abs=1e-5)
    assert set(expected) <= {'loss', 'loss_tokens', 'loss_pairs'}


@pytest.mark.usefixtures('small')
@pytest.mark.parametrize('name', SMALL)
def test_a_step_and_a_prediction(name):
    from projects.core.benchmark.meters import NoMeter

    model = BenchmarkedModel(f'transformers.{name}', BenchmarkSettings(**SETTINGS))
    model.prepare()
    model.train_step(NoMeter())
    rows = model.predict_step(NoMeter())
    assert len(rows) == 2
    assert sum(row['nll'] for row in rows) > 0


@pytest.mark.parametrize(
    'config',
    [
        'transformer/reference/transformer_base_torch.py',
        'rnn/reference/lstm-256_torch.py',
    ],
)
def test_nothing_later_is_seen_by_torch_s_networks(config):
    options = ['model.backbone.vocab_size=50']
    if 'transformer' in config:
        sizes = dict(embed_dims=16, num_heads=2, num_layers=2, feedforward_dims=32)
        options += [f'model.backbone.{k}={v}' for k, v in sizes.items()]
    settings = BenchmarkSettings(**{**SETTINGS, 'cfg_options': options})
    model = BenchmarkedModel(str(config_root() / config), settings)
    model.prepare()
    inputs = model.batches['predict']['inputs']
    changed = dict(inputs)
    key = 'target' if 'target' in inputs else 'tokens'
    changed[key] = inputs[key].clone()
    changed[key][:, 4:] += 1
    changed[key] %= 50
    net = model.model.eval()
    with torch.no_grad():
        before, after = net.network(inputs), net.network(changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().max() > 1e-3


def test_unknown_names():
    with pytest.raises(UserError, match=r"'gpt2_smal' is not known here; did you mean"):
        transformers_config('transformers.gpt2_smal')
    assert references_of('gpt2_xl')['transformers'] == 'transformers.gpt2_xl'
    assert set(references_of('transformer_base')) == {'transformers', 'torch'}


def test_without_transformers(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, 'import_module', missing)
    with pytest.raises(UserError, match='transformers is not installed; pip install'):
        transformers_config('transformers.gpt1')
