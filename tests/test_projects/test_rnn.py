"""RNN, LSTM, GRU: the written-out cells against torch's kernel, and what they show."""

import math

import pytest
import torch
from mmengine.config import Config
from torch import nn

from projects.core.tasks.language.backbones import select
from projects.core.variants import config_root
from projects.core.weights import load_weights
from projects.registry import DATASETS, METRICS, MODELS
from projects.rnn import (
    RNN,
    AddingProblem,
    gru_cell,
    lstm_cell,
    make_layers,
    rnn_cell,
    run_layers,
    zero_state,
)

CELLS = ('rnn', 'lstm', 'gru')
BY_TORCH = dict(rnn=nn.RNN, lstm=nn.LSTM, gru=nn.GRU)
LENGTHS = torch.tensor([5, 9, 1, 12])


def num_params(module):
    return sum(p.numel() for p in module.parameters())


def small_rnn(cell='lstm', **kwargs):
    torch.manual_seed(0)
    kwargs = dict(vocab_size=11, input_dims=6, hidden_dims=8, num_layers=2) | kwargs
    return RNN(cell, **kwargs).eval()


def classifier(**kwargs):
    return small_rnn(predicts_tokens=False, **kwargs)


def random_state(layers, batch_size):
    return tuple(torch.randn_like(part) for part in zero_state(layers, batch_size))


class TestCells:
    """By hand, of one unit."""

    @staticmethod
    def state(*values):
        return tuple(torch.tensor([[value]]) for value in values)

    def test_rnn(self):
        (h,) = rnn_cell(torch.tensor([[0.75]]), torch.tensor([[-0.25]]), self.state(9))
        assert h.item() == pytest.approx(math.tanh(0.5))

    def test_lstm(self):
        """Gates open, half open and shut: i = 1, f = 0.5, g = tanh(2), o = 1."""
        ux = torch.tensor([[50.0, 0.0, 1.5, 50.0]])
        wh = torch.tensor([[50.0, 0.0, 0.5, 50.0]])
        h, c = lstm_cell(ux, wh, self.state(9.0, 3.0))
        assert c.item() == pytest.approx(0.5 * 3 + math.tanh(2))
        assert h.item() == pytest.approx(math.tanh(0.5 * 3 + math.tanh(2)))

    def test_lstm_that_keeps_has_a_gradient_of_1(self):
        """f = 1, i = 0: after 1,000 steps c and its gradient are as they were."""
        ux = torch.tensor([[-50.0, 50.0, 3.0, 0.0]])
        c = torch.tensor([[0.7]], requires_grad=True)
        state = torch.zeros(1, 1), c
        for _ in range(1000):
            state = lstm_cell(ux, torch.zeros(1, 4), state)
        state[1].backward()
        assert state[1].item() == pytest.approx(0.7)
        assert c.grad.item() == 1

    def test_gru(self):
        """r = 0.5 halves W_n h, z = 0.25: h = 0.25 * 4 + 0.75 * tanh(2 + 0.5 * 2)."""
        ux = torch.tensor([[-1.0, -math.log(3), 2.0]])
        wh = torch.tensor([[1.0, 0.0, 2.0]])
        (h,) = gru_cell(ux, wh, self.state(4.0))
        assert h.item() == pytest.approx(0.25 * 4 + 0.75 * math.tanh(3))


class TestLayers:
    @pytest.mark.parametrize('cell', CELLS)
    @pytest.mark.parametrize(
        ('dims', 'of_a_gate'),
        [
            ((28, 256, 1), 73_216),
            ((28, 32, 1), 1_984),
            ((256, 256, 2), 263_168),
            ((100, 512, 1), 314_368),
        ],
    )
    def test_parameters(self, cell, dims, of_a_gate):
        """I * H + H * H + 2 * H for each gate of each layer."""
        inputs, hidden, num_layers = dims
        by_hand = (inputs + hidden + 2) * hidden
        by_hand += (num_layers - 1) * (2 * hidden + 2) * hidden
        gates = dict(rnn=1, lstm=4, gru=3)[cell]
        with torch.device('meta'):
            layers = make_layers(cell, *dims)
        assert num_params(layers) == gates * by_hand == gates * of_a_gate

    @pytest.mark.parametrize('fused', [True, False])
    @pytest.mark.parametrize('bidirectional', [True, False])
    @pytest.mark.parametrize('cell', CELLS)
    def test_torch_s(self, cell, bidirectional, fused):
        """Outputs, states and gradients, with a torch state dict."""
        torch.manual_seed(0)
        theirs = BY_TORCH[cell](6, 16, 2, bidirectional=bidirectional)
        ours = make_layers(cell, 6, 16, 2, bidirectional)
        report = load_weights(ours, theirs.state_dict(), 'torch.pth')
        assert '(100.0% of the parameters)' in report
        x = torch.randn(4, 12, 6)
        state = random_state(ours, 4)
        grads = []
        for layers in (ours, theirs):
            inputs = x.clone().requires_grad_()
            before = tuple(part.clone().requires_grad_() for part in state)
            if layers is ours:
                out, after = run_layers(layers, inputs, None, before, fused)
            else:  # time first, layers first
                parts = tuple(part.transpose(0, 1) for part in before)
                out, after = layers(
                    inputs.transpose(0, 1), parts if cell == 'lstm' else parts[0]
                )
                after = after if cell == 'lstm' else (after,)
                out = out.transpose(0, 1)
                after = tuple(part.transpose(0, 1) for part in after)
            loss = out.square().mean() + sum(part.sin().mean() for part in after)
            of = [inputs, *before, *layers.parameters()]
            grads.append([out, *after, *torch.autograd.grad(loss, of)])
        for mine, reference in zip(*grads, strict=True):
            assert mine.shape == reference.shape
            assert reference.abs().max() > 1e-4
            torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize('padded', [True, False])
    @pytest.mark.parametrize('bidirectional', [True, False])
    @pytest.mark.parametrize('cell', CELLS)
    def test_both_paths_are_one_function(self, cell, bidirectional, padded):
        """Down to the rounding of float64, which hides nothing."""
        torch.manual_seed(0)
        layers = make_layers(cell, 6, 16, 2, bidirectional).double()
        x = torch.randn(4, 12, 6).double().requires_grad_()
        state = tuple(part.requires_grad_() for part in random_state(layers, 4))
        lengths = LENGTHS if padded else None
        results = []
        for fused in (True, False):
            out, after = run_layers(layers, x, lengths, state, fused)
            loss = out.square().sum() + sum(part.sin().sum() for part in after)
            of = [x, *state, *layers.parameters()]
            results.append([out, *after, *torch.autograd.grad(loss, of)])
        for fused, written in zip(*results, strict=True):
            torch.testing.assert_close(fused, written, rtol=1e-11, atol=1e-11)

    @pytest.mark.parametrize('fused', [True, False])
    @pytest.mark.parametrize('bidirectional', [True, False])
    @pytest.mark.parametrize('cell', CELLS)
    def test_padding_changes_nothing(self, cell, bidirectional, fused):
        """Each sequence of a batch alone, its state too; and 0 behind its end."""
        torch.manual_seed(0)
        layers = make_layers(cell, 6, 16, 2, bidirectional)
        x = torch.randn(4, 14, 6)  # two more than the longest
        with torch.no_grad():
            out, after = run_layers(layers, x, LENGTHS, fused=fused)
            assert out.shape == (4, 14, 32 if bidirectional else 16)
            for i, length in enumerate(LENGTHS):
                alone, state = run_layers(layers, x[i : i + 1, :length], fused=fused)
                torch.testing.assert_close(
                    out[i : i + 1, :length], alone, rtol=1e-5, atol=1e-6
                )
                assert (out[i, length:] == 0).all()
                for part, expected in zip(after, state, strict=True):
                    torch.testing.assert_close(
                        part[i : i + 1], expected, rtol=1e-5, atol=1e-6
                    )

    @pytest.mark.parametrize('fused', [True, False])
    def test_dropout_is_between_layers_alone(self, fused):
        """All of it: the second layer sees nothing, the first one all."""
        layers = make_layers('lstm', 6, 16, 2, dropout=1.0)
        x = torch.randn(2, 3, 6)
        with torch.no_grad():
            _, (h, _) = run_layers(layers, x, fused=fused)
            zeros, _ = run_layers(make_layers_like(layers), torch.zeros(2, 3, 16))
            # the state before is 0
            torch.testing.assert_close(h[:, 1], zeros[:, -1])
            _, (kept, _) = run_layers(layers.eval(), x, fused=fused)
        assert (h[:, 0] == kept[:, 0]).all()
        assert (h[:, 1] - kept[:, 1]).abs().max() > 1e-3

    def test_forget_bias(self):
        layers = make_layers('lstm', 6, 16, 2, True, forget_bias=1.0)
        for _, _, of_input, of_hidden in layers.all_weights:
            bias = (of_input + of_hidden).view(4, 16)
            assert (bias[1] == 1).all()
            assert (bias[[0, 2, 3]] != 0).all()
        # 16 units: within 1 / 4 and filled up to it
        largest = layers.weight_ih_l0.abs().max().item()
        assert 0.2 < largest <= 0.25

    @pytest.mark.parametrize(
        ('kwargs', 'message'),
        [
            (dict(cell='GRU'), r"cell 'GRU' not in \['rnn', 'lstm', 'gru'\]"),
            (dict(cell='gru', forget_bias=1.0), "a cell 'gru' has no such gate"),
            (dict(num_layers=0), 'num_layers 0: at least 1'),
            (dict(hidden_dims=0), 'hidden_dims 0: at least 1'),
        ],
    )
    def test_refused(self, kwargs, message):
        kwargs = dict(cell='lstm', input_dims=2, hidden_dims=3) | kwargs
        with pytest.raises(ValueError, match=message):
            make_layers(**kwargs)


def make_layers_like(layers):
    """The second of two layers, alone."""
    second = make_layers('lstm', 16, 16)
    state = {
        name.replace('l1', 'l0'): weight
        for name, weight in layers.state_dict().items()
        if name.endswith('l1')
    }
    second.load_state_dict(state)
    return second


class TestBackbone:
    @pytest.mark.parametrize('fused', [True, False])
    @pytest.mark.parametrize('cell', CELLS)
    def test_a_later_token_changes_nothing_before_it(self, cell, fused):
        model = small_rnn(cell, fused=fused)
        tokens = torch.randint(11, (2, 9))
        other = tokens.clone()
        other[:, 5] = (tokens[:, 5] + 1) % 11
        with torch.no_grad():
            out, changed = model(tokens)[0], model(other)[0]
        torch.testing.assert_close(out[:, :5], changed[:, :5], rtol=0, atol=1e-6)
        assert ((out - changed)[:, 5:].abs().amax(-1) > 1e-4).all()

    @pytest.mark.parametrize('fused', [True, False])
    @pytest.mark.parametrize('cell', CELLS)
    def test_a_state_that_is_carried_is_the_whole_at_once(self, cell, fused):
        """Also with the paths exchanged, and one token by itself."""
        model = small_rnn(cell, fused=fused)
        tokens = torch.randint(11, (3, 10))
        with torch.no_grad():
            whole, last = model(tokens)
            state, outs = model.begin(3, 10), []
            for part in tokens.split([4, 1, 5], 1):
                out, state = model(part, state=state)
                outs.append(out)
                model.fused = not model.fused
        torch.testing.assert_close(torch.cat(outs, 1), whole, rtol=1e-5, atol=1e-6)
        for part, expected in zip(state, last, strict=True):
            torch.testing.assert_close(part, expected, rtol=1e-5, atol=1e-6)

    def test_states_of_chosen_sequences(self):
        """Batch first, as the search wants them."""
        model = small_rnn('lstm')
        tokens = torch.randint(11, (3, 4))
        with torch.no_grad():
            _, state = model(tokens)
            chosen = select(state, torch.tensor([2, 2, 0, 1]))
            out, _ = model(torch.full((4, 1), 7), state=chosen)
            again, _ = model(torch.full((3, 1), 7), state=state)
        torch.testing.assert_close(out, again[[2, 2, 0, 1]], rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize('fused', [True, False])
    def test_summary_of_both_directions(self, fused):
        """Of a padded sequence: after its last token, and before its first."""
        model = classifier(bidirectional=True, fused=fused)
        tokens = torch.randint(11, (4, 12))
        with torch.no_grad():
            hidden, (h, _) = model(tokens, LENGTHS)
            summary = model.summary(hidden, LENGTHS)
        # the states of the last layer, of which both have read everything
        torch.testing.assert_close(summary, h[:, -2:].flatten(1))
        assert model.embed_dims == summary.shape[-1] == 16

    def test_a_batch_of_one_token(self):
        model = small_rnn()
        hidden, state = model(torch.tensor([[3]]))
        assert hidden.shape == (1, 1, 8)
        assert [tuple(part.shape) for part in state] == [(1, 2, 8)] * 2
        assert model.logits(hidden).shape == (1, 1, 11)

    @pytest.mark.parametrize('cell', CELLS)
    def test_each_weight_has_a_gradient(self, cell):
        model = small_rnn(cell)
        model.logits(model(torch.arange(11)[None])[0]).square().mean().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad.abs().max() > 0, name

    def test_dropout_is_on_what_enters_and_leaves(self):
        """Zaremba et al.: with all dropped the scores are those of the bias."""
        model = small_rnn(num_layers=1, dropout=1.0).train()
        hidden, _ = model(torch.tensor([[1, 2, 3]]))
        nothing, _ = run_layers(model.layers, torch.zeros(1, 3, 6))
        torch.testing.assert_close(hidden, nothing)
        torch.testing.assert_close(
            model.logits(hidden), model.output.bias.expand(1, 3, 11)
        )

    def test_refused(self):
        with pytest.raises(ValueError, match='set predicts_tokens=False'):
            small_rnn(bidirectional=True)
        model = classifier(bidirectional=True)
        with pytest.raises(ValueError, match='cannot go on from a state'):
            model(torch.tensor([[1]]), state=model.begin(1, 2))
        with pytest.raises(ValueError, match='token_types: RNN knows none'):
            model(torch.tensor([[1]]), token_types=torch.tensor([[0]]))


class TestAddingProblem:
    def test_samples(self):
        data = AddingProblem(10, 500, seed=0)
        numbers, marks = torch.stack([s['inputs'] for s in data]).unbind(-1)
        targets = torch.stack([s['targets'] for s in data])
        torch.testing.assert_close((numbers * marks).sum(1), targets)
        assert (marks[:, :5].sum(1) == 1).all()
        assert (marks[:, 5:].sum(1) == 1).all()
        # each place of 5 in one of 5 cases
        assert (marks.mean(0) - 0.2).abs().max() < 0.06
        # the mean square of an answer of 1 is 1 / 6
        assert (targets - 1).square().mean().item() == pytest.approx(1 / 6, rel=0.15)
        again = AddingProblem(10, 500, seed=0)
        assert torch.equal(data.inputs, again.inputs)
        assert not torch.equal(data.inputs, AddingProblem(10, 500, 1).inputs)
        first = AddingProblem(10, 500, seed=0, indices=3)
        assert len(first) == 3
        assert torch.equal(first.inputs, data.inputs[:3])

    def test_refused(self, error_of):
        for length, num in ((1, 5), (5, 0)):
            error = error_of(AddingProblem, length, num, 0)
            assert f'length {length} and num {num}' in error

    def test_metric(self):
        metric = METRICS.build(dict(type='projects.MeanSquaredError'))
        assert metric.sections(None) == []
        rows = [(0.5, 1.0), (1.5, -2.0), (1.0, 0.5)]
        rows = [dict(target=target, error=error) for target, error in rows]
        metric.process(None, rows[:2])
        metric.process(None, rows[2:])
        assert metric.evaluate(3) == {'adding/mse': pytest.approx(5.25 / 3)}
        sums, errors = metric.sections(None)[0].blocks
        assert [(p.x, p.y) for p in sums.points] == [(0.5, 1.5), (1.5, -0.5), (1, 1.5)]
        assert errors.rows[0] == [
            'the model',
            pytest.approx(1.75),
            pytest.approx(3.5 / 3),
        ]
        # 1 is wrong by a half twice
        assert errors.rows[1][1:] == [pytest.approx(0.5 / 3), pytest.approx(1 / 3)]

    @pytest.mark.parametrize('cell', CELLS)
    def test_a_config_s_model(self, cell):
        folder = config_root() / 'rnn'
        (file,) = folder.glob(f'{cell}-adding100_*.py')
        cfg = Config.fromfile(file)
        data = DATASETS.build(cfg.train_dataloader.dataset | dict(num=3))
        model = MODELS.build(cfg.model)
        batch = dict(inputs=data.inputs, targets=data.targets)
        errors = [p['error'] for p in model(**batch, mode='predict')]
        loss = model(**batch, mode='loss')['loss'].item()
        assert sum(error**2 for error in errors) / 3 == pytest.approx(loss)
        written = MODELS.build(cfg.model | dict(fused=False))
        written.load_state_dict(model.state_dict())
        torch.testing.assert_close(written(data.inputs), model(data.inputs))
