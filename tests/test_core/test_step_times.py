"""Parts of the steps of a run, and the norm of its gradients in the log."""

import math

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from test_iteration_runs import rows
from torch import nn
from toy_runs import LANGUAGE, PLAYERS

from projects.core.engine import train
from projects.core.engine.gradients import gradient_norm
from projects.core.engine.speed import FlopCounter
from projects.core.engine.step_times import StepTimesHook, _num_inputs, _Parts
from projects.core.engine.stopwatch import Stopwatch
from projects.registry import HOOKS


class Clock:
    """Seconds that pass when told."""

    now = 0.0

    def __call__(self):
        return self.now

    def tick(self, seconds, value=None):
        self.now += seconds
        return value


clock = Clock()


class Layer(nn.Module):
    def __init__(self, seconds, inner=None):
        super().__init__()
        self.seconds, self.inner = seconds, inner

    def forward(self, x):
        if self.inner is not None:
            x = self.inner(x)
        return clock.tick(self.seconds, x)


class SomeLoss(Layer):
    pass


class Model(nn.Module):
    """Layers of 2 and, with a loss of 1 inside, 4 s, a loss of 8 s, 16 s of its own."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = Layer(0.5)
        self.backbone = Layer(1.5, Layer(0.5))
        self.head = Layer(4, SomeLoss(1))
        self.loss = SomeLoss(5, Layer(3))

    def forward(self, x):
        x = self.head(self.backbone(self.data_preprocessor(x)))
        return clock.tick(16, self.loss(x))


class Update(OptimWrapper):
    """Backward takes 32 s and computes a layer again, the others take 64 s."""

    def __init__(self, model):
        super().__init__(torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1))
        self.model = model

    def backward(self, loss):
        self.model.backbone(loss)
        clock.tick(30)

    def step(self):
        clock.tick(60)

    def zero_grad(self):
        clock.tick(4)


def test_parts_of_a_step():
    model = Model()
    update = Update(model)
    watch = Stopwatch(torch.device('cpu'), clock)
    parts = _Parts(watch, (model, model), 'loss')
    with parts.updates(update), parts.layers(), watch.part('loss'):
        loss = model(torch.ones(1))
        update.backward(loss)
        update.step()
        update.zero_grad()
    assert watch.seconds == dict(
        data=0.5, forward=2 + 4, loss=1 + 8 + 16, backward=32, optimiser=64
    )
    # nothing is left behind
    assert {'backward', 'step', 'zero_grad'}.isdisjoint(vars(update))
    model(torch.ones(1))
    assert watch.seconds['forward'] == 6


def test_parts_end_with_a_step_that_fails():
    model = Model()
    model.head.forward = lambda x: 1 / 0
    watch = Stopwatch(torch.device('cpu'), clock)
    parts = _Parts(watch, (model, model), 'loss')
    with pytest.raises(ZeroDivisionError), parts.layers():
        model(torch.ones(1))
    model.backbone(torch.ones(1))
    assert watch.seconds['forward'] == 2


def test_medians_of_steps():
    hook = StepTimesHook()
    # the optimizer works in every other step; the first of an epoch has not waited
    hook.samples['train'] = [
        dict(forward=1.0, optimiser=4.0, data=3.0),
        dict(forward=2.0, data=5.0),
        dict(forward=9.0, optimiser=6.0),
        dict(forward=2.0, data=5.0),
    ]
    assert hook.times() == dict(train=dict(forward=2.0, optimiser=2.5, data=5.0))


def test_few_steps_are_measured():
    hook = StepTimesHook(interval=10)
    measured = []
    for hook._num['train'] in range(35):
        if hook._is_sampled('train'):
            measured.append(hook._num['train'])
    assert measured == [2, 3, 4, 10, 20, 30]


@pytest.mark.parametrize(
    ('batch', 'num'),
    [
        (dict(inputs=torch.ones(3, 2)), 3),
        (dict(inputs=[1, 2], data_samples=[]), 2),
        (dict(inputs=dict(tokens=[1, 2, 3, 4])), 4),
        (dict(tokens=torch.ones(5, 2)), 5),
        (dict(inputs={}), 0),
        ([torch.ones(2)], 0),
    ],
)
def test_inputs_of_a_batch(batch, num):
    assert _num_inputs(batch) == num


def test_operations_of_fused_layers():
    x = torch.rand(5, 2, 8, requires_grad=True)  # 5 steps of 2 sequences
    weights = 4 * 16 * (8 + 16)
    lstm = nn.LSTM(8, 16)
    with FlopCounter() as counter:
        out = lstm(x)[0]
    assert counter.flops == 2 * 5 * 2 * weights
    with counter:
        out.sum().backward()
    assert counter.flops == 3 * 2 * 5 * 2 * weights
    layer = nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
    with FlopCounter() as counter, torch.no_grad():
        layer(x)
    assert counter.flops is None


def test_norm_of_gradients():
    a, b, c = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    optimizer = torch.optim.SGD([dict(params=[a]), dict(params=[b, c])], 0.1)
    assert gradient_norm(optimizer) is None
    a.grad, b.grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    assert gradient_norm(optimizer).item() == 5
    optimizer.grad_scale = torch.tensor(10.0)
    assert gradient_norm(optimizer).item() == 0.5
    a.grad = torch.tensor([math.nan, 0.0])
    assert math.isnan(gradient_norm(optimizer).item())


def test_norm_of_sparse_gradients():
    embedding = nn.Embedding(4, 1, sparse=True)
    embedding(torch.tensor([1, 1, 2])).sum().backward()  # 1 counts twice: 2 and 1
    optimizer = torch.optim.SGD(embedding.parameters(), 0.1)
    assert gradient_norm(optimizer).item() == pytest.approx(5**0.5)


@HOOKS.register_module()
class TrueNormHook(Hook):
    """Norm of the gradients at the steps of the first optimizer, by hand."""

    seen: dict = {}

    def before_train(self, runner):
        self.seen.clear()
        optimizer = runner.optim_wrapper.optimizer

        def see(*_):
            grads = [
                p.grad for group in optimizer.param_groups for p in group['params']
            ]
            squares = sum(g.double().square().sum() for g in grads if g is not None)
            self.seen[runner.iter + 1] = squares.sqrt().item()

        optimizer.register_step_pre_hook(see)


@pytest.fixture
def write(tmp_path, fresh):
    def call(extra='', config=LANGUAGE):
        path = tmp_path / 'toy.py'
        hook = "dict(type='projects.TrueNormHook')" if config is LANGUAGE else ''
        hooks = f'custom_hooks = [*_base_.custom_hooks, {hook}]\n'
        path.write_text(config + hooks + extra)
        return str(path)

    return call


def test_the_log_has_the_norm_of_its_own_step(write):
    train(write("default_hooks['logger']['interval'] = 3\n"), 'run')
    logged = rows('run', 'grad_norm')
    assert list(logged) == [3, 6, 9, 12, 15, 18]
    assert logged == pytest.approx({i: TrueNormHook.seen[i] for i in logged}, rel=1e-5)


def test_accumulated_gradients_are_those_of_the_step_before(write):
    extra = """
default_hooks['logger']['interval'] = 5
optim_wrapper['accumulative_counts'] = 3
"""
    train(write(extra), 'run')
    steps = [max(i for i in TrueNormHook.seen if i <= at) for at in (5, 10, 15, 20)]
    assert steps == [3, 9, 15, 20]
    expected = [TrueNormHook.seen[i] for i in steps]
    assert list(rows('run', 'grad_norm').values()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    'clip', ["type='value', clip_value=1e-4", 'max_norm=1e-4'], ids=['value', 'norm']
)
def test_the_norm_is_that_before_clipping(write, clip):
    train(write(f"optim_wrapper['clip_grad'] = dict({clip})\n"), 'run')
    logged = rows('run', 'grad_norm')
    assert len(logged) == 20
    assert max(TrueNormHook.seen.values()) < 0.01 < min(logged.values())


def test_each_optimizer_has_its_norm(write):
    extra = "optim_wrapper['generator']['clip_grad'] = dict(max_norm=1e-4)\n"
    train(write(extra, PLAYERS), 'run')
    for name in ('generator', 'discriminator'):
        assert min(rows('run', f'{name}.grad_norm').values()) > 0.01
