"""Shapes, parameters, operations and memory of layers."""

import csv

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import DefaultScope
from reference_table import TABLE
from torch import nn

from projects.core.config.saved import JSON_KEY, config_to_json
from projects.core.insight.layer_counts import count_layers, on_meta
from projects.core.insight.layers import (
    csv_of,
    in_units,
    layers,
    table_of,
    uncounted_lines,
)
from projects.core.insight.opening import bare_model
from projects.core.tasks.task import task_of_class
from projects.core.variants import config_root, list_models
from projects.registry import MODELS

SOME = ('lenet5', 'mobilenet_v2', 'resnet18', 'shufflenet_v1_x1_0_g3', 'swin_v2_t',
        'vit_b_16')  # fmt: skip
# what the table's implementations run and a prediction of ours does not
NOT_RUN = {
    # the keys of the attention, at each of the 9 steps; ours once
    'seq2seq_bahdanau': 8 * 9 * 256 * 256,
    # what masked tokens were, here of all 512; ours of those that are masked, in a loss
    'bert_base': 512 * 768 * (768 + 30_522),
    'bert_large': 512 * 1024 * (1024 + 30_522),
    # the decoder, of which only the loss has need
    'capsnet_mnist': 160 * 512 + 512 * 1024 + 1024 * 784,
    # the two classifiers at the side
    'googlenet_paper': 16 * 128 * (512 + 528) + 2 * 1024 * (2048 + 1000),
}


def counted(model, *shape):
    return count_layers(on_meta(model).eval(), model, torch.zeros(1, *shape))


def by_name(counts):
    return {layer.name: layer for layer in counts.layers}


class TestByHand:
    def test_a_convolution(self):
        counts = counted(
            nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()), 3, 6, 5
        )
        conv, relu = counts.layers[1:]
        assert conv.num_params == 8 * 3 * 9 + 8
        assert conv.macs == 8 * 3 * 9 * 30 == counts.total.macs
        assert conv.shape == (8, 6, 5)
        assert conv.activation_bytes == relu.activation_bytes == 4 * 8 * 30
        assert counts.uncounted == {'relu': 240}
        assert counts.calls == {'relu': 1}

    def test_what_is_written_in_place_takes_no_memory(self):
        model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Flatten(0))
        counts = counted(model, 4)
        assert counts.total.elements == 6
        assert counts.uncounted == {'relu': 6}

    def test_a_module_that_is_called_twice(self):
        class Twice(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(5, 5, bias=False)
                self.tied = nn.Linear(5, 5, bias=False)
                self.tied.weight = self.fc.weight

            def forward(self, x):
                return F.linear(self.tied(self.fc(self.fc(x))), self.fc.weight)

        counts = counted(Twice(), 5)
        layers_ = by_name(counts)
        assert counts.total.num_params == 25
        assert counts.total.macs == 4 * 25
        assert counts.total.own_macs == 25  # by the model itself
        assert (layers_['fc'].calls, layers_['fc'].macs) == (2, 50)
        assert (layers_['tied'].num_params, layers_['tied'].shared) == (0, True)
        table = table_of(counts, 1)
        assert 'fc x2' in table
        assert '0*' in table
        assert '(in no submodule)' in table

    @pytest.mark.parametrize('is_causal', [False, True])
    def test_attention_is_a_whole_square(self, is_causal):
        class Attention(nn.Module):
            def forward(self, x):  # (1, 2 heads, 7 tokens, 4)
                return F.scaled_dot_product_attention(x, x, x, is_causal=is_causal)

        assert counted(Attention(), 2, 7, 4).total.macs == 2 * 2 * 7 * 7 * 4

    @pytest.mark.parametrize(('cell', 'gates'), [('RNN', 1), ('GRU', 3), ('LSTM', 4)])
    def test_a_recurrent_layer(self, cell, gates):
        model = getattr(nn, cell)(5, 6, num_layers=2, batch_first=True)
        macs = 9 * gates * 6 * (5 + 6 + 6 + 6)
        assert counted(model, 9, 5).total.macs == macs

    def test_a_slice_of_a_sequence_is_looked_through(self):
        class Sliced(nn.Module):
            def __init__(self):
                super().__init__()
                self.fcs = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))

            def forward(self, x):
                return self.fcs[1:](self.fcs[:1](x))

        layers_ = by_name(counted(Sliced(), 3))
        assert [layers_[n].macs for n in ('', 'fcs', 'fcs.0', 'fcs.1')] == [
            15,
            15,
            9,
            6,
        ]

    def test_an_operator_without_a_formula_is_said(self, monkeypatch):
        from projects.core.engine import speed
        from projects.core.insight.layers import total_lines

        monkeypatch.setitem(speed.FUSED, 'aten::relu', None)
        counts = counted(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), 2)
        assert counts.unknown == {'relu'}
        assert counts.total.macs == 4
        assert (
            'lack operators without a known formula: relu'
            in (total_lines(counts, '2')[-1])
        )

    def test_real_weights_stay_shared(self):
        model = nn.ModuleList([nn.Linear(2, 2), nn.BatchNorm1d(2)])
        model.append(nn.Linear(2, 2))
        model[2].weight = model[0].weight
        assert on_meta(model)[2].weight is model[0].weight
        assert all(t.is_meta for t in (*model.parameters(), *model.buffers()))


def counts_of(variant):
    """By the sizes of the table."""
    cfg = Config.fromfile(config_root() / f'_base_/models/{variant}.py')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = on_meta(bare_model(cfg)).eval()
        parts = task_of_class(type(model)).parts_of(model)
        size = TABLE[variant]['input']
        if len(size) == 3:
            inputs = torch.zeros(1, *size)
        else:
            batch = parts.random_batch(torch.Generator(), 1, size[:1], 0)
            inputs = {k: torch.stack(v) for k, v in batch['inputs'].items()}
        return count_layers(model, parts.network, inputs)


@pytest.mark.parametrize(
    'variant',
    [
        v if v in SOME else pytest.param(v, marks=pytest.mark.slow)
        for v in sorted(TABLE.keys() & set(list_models()))
    ],
)
def test_totals_are_those_of_the_table(variant):
    counts, entry = counts_of(variant), TABLE[variant]
    assert counts.total.num_params == entry['params']
    macs = counts.total.macs + NOT_RUN.get(variant, 0)
    assert macs / 1e9 == pytest.approx(entry['macs_g'], abs=1e-6)
    assert counts.unknown == set()
    # nothing is counted twice, nothing is lost
    assert sum(layer.own_macs for layer in counts.layers) == counts.total.macs
    assert sum(layer.own_params for layer in counts.layers) == entry['params']


class TestTable:
    @pytest.mark.parametrize(
        ('value', 'text'),
        [(0, '0'), (999, '999'), (1814073344, '1.81 G'), (999_600, '1 M')],
    )
    def test_units(self, value, text):
        assert in_units(value) == text

    def test_it_fits_100_columns(self, capsys):
        counts = layers('vit_b_16', 32 * 7, depth=9)
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 100
        rows = csv.DictReader(csv_of(counts).splitlines())
        assert sum(int(row['own_parameters']) for row in rows) == 86_567_656

    def test_depth_collapses(self):
        inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        counts = counted(nn.Sequential(inner, nn.Linear(2, 3)), 2)
        sizes = [len(table_of(counts, depth).splitlines()) for depth in range(3)]
        assert sizes == [2 + 1, 2 + 1 + 2, 2 + 1 + 4]

    def test_shares_of_what_is_not_counted(self):
        """4 MACs and 4 elements: ReLU's are a half, so is the sum."""
        counts = counted(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Tanh()), 2)
        lines = uncounted_lines(counts)
        assert '50.00% of all' in lines[0]
        assert [line.split()[-1] for line in lines[1:]] == ['25.00%', '25.00%']

    @pytest.mark.parametrize(
        ('model', 'size', 'shape'),
        [
            ('ssd_mini', 96, '96 x 96'),
            ('dcgan_mini', None, '32 x 32'),
            ('bert_mini', 12, '12'),
            ('torchvision.resnet18', (64, 32), '64 x 32'),
        ],
    )
    def test_kinds_of_models(self, model, size, shape, capsys):
        counts = layers(model, size, depth=1)
        assert counts.total.macs > 0
        assert f'for one sample of {shape}: ' in capsys.readouterr().out


@pytest.fixture
def checkpoint_of_lenet(tmp_path):
    """Path of weights with their config, as a run leaves them."""
    cfg = Config.fromfile(config_root() / '_base_/models/lenet5.py')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    meta = {JSON_KEY: config_to_json(cfg), 'dataset_meta': dict(classes=())}
    file = tmp_path / 'lenet.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=meta), file)
    return str(file)


class TestTool:
    def test_a_checkpoint(self, checkpoint_of_lenet, tmp_path, capsys):
        file = tmp_path / 'lenet.csv'
        counts = layers(checkpoint_of_lenet, csv=str(file))
        assert file.read_text() == csv_of(counts)
        assert counts.total.num_params == 61_706
        assert 'backbone' in capsys.readouterr().out

    def test_mistakes_are_said(self, checkpoint_of_lenet, tmp_path, error_of):
        (tmp_path / 'mine.csv').write_text('mine')
        lenet = checkpoint_of_lenet
        for message, args, options in (
            ("no config or model 'resnet19'; did you mean", ['resnet19'], {}),
            ('how to run the layers of a FasterRCNN', ['faster_rcnn_fpn'], {}),
            ('input of gpt_mini has 1 number', ['gpt_mini', (8, 8)], {}),
            (
                'a checkpoint holds its own',
                [lenet],
                dict(cfg_options=['model.a=1']),
            ),
            ('no.pth', ['no.pth'], {}),
            ('longer than', ['gpt_mini', 8000], {}),
            ('makes samples of one size, 32 x 32', ['dcgan_mini', 64], {}),
            ('--csv a.png: name a file that', ['lenet5'], dict(csv='a.png')),
            ('not made by this tool', ['lenet5'], dict(csv=str(tmp_path / 'mine.csv'))),
        ):
            assert message in error_of(layers, *args, **options)
        assert (tmp_path / 'mine.csv').read_text() == 'mine'
