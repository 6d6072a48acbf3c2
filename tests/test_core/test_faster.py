"""Runs are faster and give the same: channels-last, folded batch norm, rates."""

import re
from pathlib import Path

import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn
from torch.utils._pytree import tree_leaves

from projects import create_model
from projects.core.benchmark.as_run import compare_runs, markdown
from projects.core.engine import evaluate, train
from projects.core.engine.speed import (
    FlopCounter,
    RateHook,
    _in_words,
    wrap_next_call,
)
from projects.core.errors import UserError
from projects.core.layers.batch_norm import fold_batch_norm
from projects.core.tasks.task import task_of
from projects.core.weights import read_checkpoint
from projects.registry import HOOKS, MODELS


def norm_of(channels, cls=nn.BatchNorm2d, **kwargs):
    """A batch norm that has seen data."""
    norm = cls(channels, **kwargs)
    torch.nn.init.uniform_(norm.running_mean, -1, 1)
    torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    if norm.affine:
        torch.nn.init.uniform_(norm.weight, -1, 1)
        torch.nn.init.uniform_(norm.bias, -1, 1)
    return norm


class Net(BaseModel):
    """Modules a, b, ... and a function that applies them."""

    def __init__(self, apply=None, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.apply_ = apply or (lambda net, x: net.b(net.a(x)))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.apply_(self, inputs)


def num_norms(model):
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())


def folded(model, images=None):
    """Batch norms before and after folding; greatest change of the outputs."""
    images = torch.randn(2, 3, 8, 8) if images is None else images
    model.eval()
    with torch.no_grad():
        before = model(images)
        norms = num_norms(model)
        fold_batch_norm(model, dict(inputs=images))
        return norms, num_norms(model), (model(images) - before).abs().max().item()


# ------------------------------------------------------------------- folding
def test_folded_values_and_the_way_back():
    conv, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0.0)
    for tensor, value in (
        (conv.weight, 2.0),
        (conv.bias, 1.0),
        (norm.running_mean, 3.0),
        (norm.running_var, 4.0),
        (norm.weight, 6.0),
        (norm.bias, 5.0),
    ):
        nn.init.constant_(tensor, value)
    model = Net(a=conv, b=norm).eval()
    parameters = dict(model.named_parameters())
    undo = fold_batch_norm(model, dict(inputs=torch.ones(2, 1, 4, 4)))
    # (2x + 1 - 3) * 6 / sqrt(4) + 5 = 6x - 1
    assert (conv.weight.item(), conv.bias.item()) == (6.0, -1.0)
    assert isinstance(model.b, nn.Identity)
    undo()
    assert model.b is norm
    assert all(p is parameters[name] for name, p in model.named_parameters())
    assert (conv.weight.item(), conv.bias.item()) == (2.0, 1.0)


@pytest.mark.parametrize(
    'modules',
    [
        dict(a=nn.Conv2d(3, 4, 3), b=norm_of(4)),
        dict(a=nn.Conv2d(3, 4, 3, bias=False), b=norm_of(4, affine=False)),
        dict(a=nn.Conv2d(3, 6, 3, groups=3), b=norm_of(6, nn.SyncBatchNorm)),
        dict(a=nn.Conv2d(3, 4, 1).requires_grad_(False), b=norm_of(4)),
        dict(a=nn.Identity(), b=ConvModule(3, 4, 3, norm_cfg=dict(type='BN'))),
    ],
    ids=['plain', 'not affine', 'SyncBN, groups', 'frozen', 'ConvModule'],
)
def test_convolution_takes_over_its_batch_norm(modules):
    model = Net(**modules)
    if isinstance(model.b, ConvModule):
        model.b.bn = norm_of(4)
    norms, left, change = folded(model.to(memory_format=torch.channels_last))
    assert (norms, left) == (1, 0)
    assert change < 1e-5
    conv = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)


def conv_and_norm():
    return dict(a=nn.Conv2d(3, 3, 1), b=norm_of(3))


@pytest.mark.parametrize(
    'apply',
    [
        lambda net, x: net.b(net.a(x).relu()),
        lambda net, x: net.b(net.a(x).relu_()),
        lambda net, x: net.a(net.b(x)),
        lambda net, x: net.b(y := net.a(x)) + y,
        lambda net, x: net.b(y := net.a(x)) + y.flatten(1).mean(),
        lambda net, x: net.b(net.a(net.a(x))),
        lambda net, x: net.b(net.b(net.a(x))),
        lambda net, x: net.b(net.a(x)) + x,  # the one that is folded
    ],
    ids=[
        'relu between',
        'relu in place between',
        'the other way round',
        'output used twice',
        'a view of the output used',
        'conv called twice',
        'norm called twice',
        'shortcut around both',
    ],
)
def test_only_what_belongs_together_is_folded(apply, request):
    norms, left, change = folded(Net(apply, **conv_and_norm()))
    is_pair = 'shortcut' in request.node.name
    assert (norms, left) == (1, 0 if is_pair else 1)
    assert change < 1e-5 if is_pair else change == 0


@pytest.mark.parametrize('kind', ['hook', 'training', 'weight used', 'broken'])
def test_model_that_cannot_be_folded_is_as_it_was(kind):
    def apply(net, x):
        if kind == 'broken' and isinstance(net.b, nn.Identity):
            raise ZeroDivisionError
        other = nn.functional.conv2d(x, net.a.weight) if kind == 'weight used' else 0
        return net.b(net.a(x)) + other

    model = Net(apply, **conv_and_norm()).eval()
    if kind == 'hook':
        model.a.register_forward_hook(lambda *args: None)
    if kind == 'training':
        model.train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    fold_batch_norm(model, dict(inputs=torch.randn(2, 3, 4, 4)))
    after = model.state_dict()
    assert state.keys() == after.keys()
    assert all(torch.equal(state[k], after[k]) for k in state)


def outputs(model, images):
    return torch.cat([t.flatten() for t in tree_leaves(model(images))])


@pytest.mark.parametrize(
    ('name', 'size', 'left'),
    # DenseNet: before each layer's first convolution, after the stem's and
    # the last; GoogLeNet's auxiliary classifiers do not predict
    [('resnet18', 64, 0), ('densenet121', 64, 62), ('yolov1_mini', 192, 0)],
)
def test_predictions_are_the_same(name, size, left):
    torch.manual_seed(0)
    model = create_model(name).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        plain = outputs(model, images)
        model.to(memory_format=torch.channels_last)
        fold_batch_norm(model, dict(inputs=images), is_preprocessed=True)
        fast = outputs(model, images)
    assert num_norms(model) == left
    assert (fast - plain).abs().max() < 1e-5 * plain.abs().max()


# ------------------------------------------------------------------- configs
def image_config(**keys):
    model = dict(type='projects.ImageClassifier')
    return Config(dict(model=model, default_scope='mmpretrain', **keys))


def test_runs_on_images_are_fast_unless_told():
    cfg = image_config(custom_hooks=[dict(type='projects.SeedHook')])
    task_of(cfg).prepare(cfg)
    task_of(cfg).prepare(cfg)  # a config out of a checkpoint has them
    assert [hook.type.rpartition('.')[2] for hook in cfg.custom_hooks] == [
        'SeedHook',
        'ChannelsLastHook',
        'FoldBatchNormHook',
    ]
    cfg = image_config(
        channels_last=False,
        fold_batch_norm=False,
        custom_hooks=[dict(type='projects.ChannelsLastHook')],
    )
    task_of(cfg).prepare(cfg)
    assert cfg.custom_hooks == []
    with pytest.raises(UserError, match="fold_batch_norm = 'no' in the config: must"):
        task_of(cfg).prepare(image_config(fold_batch_norm='no'))


def test_misspelt_option_is_named(write_config, error_of):
    error = error_of(train, write_config('\nchanels_last = False\n'))
    assert "nothing reads the key 'chanels_last'; did you mean 'channels_last'" in error


@HOOKS.register_module()
class SeenHook(Hook):
    """Notes the model's form at each step."""

    seen: list = []

    def _note(self, phase, runner):
        conv = next(m for m in runner.model.modules() if isinstance(m, nn.Conv2d))
        is_last = conv.weight.is_contiguous(memory_format=torch.channels_last)
        self.seen.append((phase, is_last, num_norms(runner.model)))

    def after_train_iter(self, runner, *args, **kwargs):
        self._note('train', runner)

    def after_val_iter(self, runner, *args, **kwargs):
        self._note('val', runner)

    def after_test_iter(self, runner, *args, **kwargs):
        self._note('test', runner)

    def after_test(self, runner):
        self._note('tested', runner)


SEEN = """
custom_hooks = [*_base_.custom_hooks, dict(type='projects.SeenHook')]
"""
EMA = SEEN.replace(']', ", dict(type='EMAHook', momentum=0.5)]", 1)


@pytest.mark.parametrize('is_averaged', [False, True])
def test_train_and_test_of_a_detector(write_config, fresh, is_averaged, monkeypatch):
    monkeypatch.setattr(SeenHook, 'seen', seen := [])
    config = write_config(EMA if is_averaged else SEEN)
    train(config, 'run')
    assert {phase for phase, *_ in seen} == {'train', 'val'}
    # channels-last, and never folded; its 3 x 3 stem tells the formats apart
    assert {(is_last, norms) for _, is_last, norms in seen} == {(True, 12)}

    scores = {}
    for is_on in (True, False):
        fresh()
        seen.clear()
        scores[is_on] = evaluate(
            config,
            'run/epoch_2.pth',
            cfg_options=[f'fold_batch_norm={is_on}', f'channels_last={is_on}'],
        )
        norms = 0 if is_on else 12
        assert ('test', is_on, norms) in seen
        assert seen[-1] == ('tested', is_on, 12)
    assert scores[True] == pytest.approx(scores[False], abs=0.02)


def test_checkpoint_loads_anywhere(trained):
    from mmengine.registry import DefaultScope

    checkpoint = read_checkpoint(str(trained / 'epoch_2.pth'))
    state = checkpoint['state_dict']
    cfg = Config.fromstring(checkpoint['meta']['cfg'], file_format='.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)  # contiguous
    model.load_state_dict(state)
    stem = next(p for p in model.parameters() if p.dim() == 4)
    assert stem.is_contiguous()
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


# --------------------------------------------------------------------- rates
def test_counted_operations():
    counter = FlopCounter()
    conv = nn.Conv2d(3, 8, 3, padding=1)
    x = torch.randn(2, 3, 10, 10)
    with counter:
        out = conv(x)
    forward = 2 * (2 * 8 * 10 * 10) * (3 * 3 * 3)  # multiply and add
    assert counter.flops == forward
    with counter:  # gradients of the weights; the images need none
        out.sum().backward()
    assert counter.flops == 2 * forward


def test_a_failing_formula_is_no_failing_step(monkeypatch):
    def formula(*args, **kwargs):
        raise ZeroDivisionError

    from projects.core.engine import speed

    monkeypatch.setitem(speed.flop_registry, torch.ops.aten.mm, formula)
    with FlopCounter() as counter:
        out = torch.ones(2, 2) @ torch.ones(2, 2)
    assert out.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert counter.flops is None


@pytest.mark.parametrize(
    ('seconds', 'words'),
    [
        (0.4, '0 s'),
        (89, '89 s'),
        (300, '5 min'),
        (2 * 3600, '2.0 h'),
        (48 * 3600, '2.0 days'),
    ],
)
def test_durations_in_words(seconds, words):
    assert _in_words(seconds) == words


def test_first_lines_of_a_training(write_config):
    runner = train(
        write_config('\ntrain_cfg.update(max_epochs=5)\n'),
        'run',
        cfg_options=['train_cfg.val_interval=9'],
    )
    (log,) = Path('run').glob('*/*.log')
    text = log.read_text()
    (cost,) = re.findall(r'a step is (\S+) GFLOP; a convolution here: (\S+) G', text)
    model = runner.model
    with FlopCounter() as counter:
        model(torch.zeros(4, 3, 64, 64))
    # forward, and twice that backward but for the gradient of the images
    assert 2.5 < float(cost[0]) * 1e9 / counter.flops < 3
    assert float(cost[1]) > 0
    # timed: 3 of the 4 steps of an epoch, 2 of the first; 10 are there after
    # the last of the fourth epoch's, with 1 + 2, 5 to 8, 9 to 12, 13 to 15
    (estimate,) = re.findall(r'about .* to go: (\d+) steps x \S+ s, ', text)
    assert int(estimate) == 20 - 15
    assert 'train_step' not in vars(model)


class OwnStep(nn.Module):
    """A model whose step calls no ``forward``, and fails where it is told to."""

    def __init__(self, fails=False):
        super().__init__()
        self.layer, self.fails = nn.Linear(4, 2), fails

    def train_step(self, data):
        if self.fails:
            raise ZeroDivisionError
        return self.layer(data).sum().backward()


def test_models_with_a_step_of_their_own():
    hook, model = RateHook(), OwnStep()
    wrap_next_call(model, 'train_step', hook._counted)
    model.train_step(torch.ones(3, 4))
    assert hook._counter.flops == 2 * (2 * 3 * 4 * 2)  # output, gradient of weight
    model.train_step(torch.ones(3, 4))
    assert hook._counter.flops == 96

    hook, model = RateHook(), OwnStep(fails=True)
    wrap_next_call(model, 'train_step', hook._counted)
    with pytest.raises(ZeroDivisionError):
        model.train_step(torch.ones(3, 4))
    assert 'train_step' not in vars(model)
    with FlopCounter() as counter:  # the first one counts no more
        torch.ones(2, 2) @ torch.ones(2, 2)
    assert (counter.flops, hook._counter.flops) == (16, 0)


# ------------------------------------------------------------ tool and tool
def test_runs_beside_runs(tmp_path):
    result = compare_runs(
        ['lenet5-modern_1xb64-20e_digits', 'mmpretrain::lenet/lenet5_mnist.py'],
        batch_size=2,
        iters=2,
        warmup=0,
        threads=1,
        device='cpu',
        out=str(tmp_path / 'new/runs.json'),
    )
    assert (tmp_path / 'new/runs.json').is_file()
    (pair,) = result['pairs']
    assert pair['input_sizes'] == [(28, 28), (32, 32)]
    for phase in ('train', 'predict'):
        assert [len(times) for times in pair[phase]['seconds']] == [2, 2]
    # of two pairs of times the median is the mean of the quotients
    ours, theirs = pair['train']['seconds']
    speeds = [b / a for a, b in zip(ours, theirs, strict=True)]
    assert pair['train']['speed']['median'] == pytest.approx(sum(speeds) / 2)


def test_table_of_runs():
    def speed(median):
        return dict(speed=dict(median=median, q1=median - 0.1, q3=median + 0.1))

    result = dict(
        batch_size=4,
        device='A',
        threads=2,
        torch='2',
        iters=3,
        pairs=[
            dict(configs=['a', 'b'], train=speed(1.2), predict=speed(1.5)),
            dict(configs=['c', 'd'], train=speed(1.0), predict=speed(2.5)),
        ],
    )
    assert markdown(result).splitlines()[4:] == [
        '| `a` | `b` | 1.20 (1.10-1.30) | 1.50 (1.40-1.60) |',
        '| `c` | `d` | 1.00 (0.90-1.10) | 2.50 (2.40-2.60) |',
        '| median | | 1.10 | 2.00 |',
        '| least | | 1.00 | 1.50 |',
    ]


def test_pairs_are_pairs():
    with pytest.raises(UserError, match='--as-run: 3 configs; give pairs of them'):
        compare_runs(['resnet18'] * 3)
