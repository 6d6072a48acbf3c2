"""The step of a loss that is not finite, repeated: each planted fault is named."""

import math
from pathlib import Path

import planted_faults
import pytest
import torch
from planted_faults import FAULTY
from test_own_train_step import PLAYERS
from toy_sequences import TRANSLATOR

from projects.core.diagnosis.kept_step import read_step
from projects.core.diagnosis.nonfinite import Statistics, Watch
from projects.core.diagnosis.replay import replay
from projects.core.engine import train
from projects.core.engine.seeding import random_state, set_random_state

FILE = 'run/nonfinite_loss.pth'
SOURCE = Path(planted_faults.__file__).read_text().splitlines()


@pytest.fixture
def replayed(tmp_path, fresh, error_of):
    """Function that trains until the loss is not finite, and repeats that step."""

    def call(text, **options):
        path = tmp_path / 'faulty.py'
        path.write_text(text)
        error = error_of(train, str(path), 'run', seed=0, **options)
        assert f'python tools/misc/replay.py {FILE}' in error
        return replay(FILE)

    return call


@pytest.mark.parametrize(
    ('extra', 'module', 'cls', 'operation', 'code'),
    [
        ("model['fault'] = 'log'", 'fault', 'Fault', 'log', '(x.relu() * 0).log()'),
        ("model['fault'] = 'all masked'", 'fault', 'Fault', 'softmax', '.softmax(1)'),
        ("model['nan_loss'] = True", 'loss', 'ToyLoss', 'div', 'loss.detach() - loss'),
        ("model['half'] = True", 'loss', 'ToyLoss', 'square', 'x.square().mean()'),
    ],
)
def test_module_of_the_forward_pass(replayed, extra, module, cls, operation, code):
    found = replayed(FAULTY + extra)
    assert (found.kind, found.module, found.module_class) == ('forward', module, cls)
    assert found.origin.name == operation
    place = found.origin.place
    assert code in SOURCE[place.line - 1]
    assert Path(place.file).name == 'planted_faults.py'
    told = '\n'.join(found.lines)
    assert f'arises in {module} ({cls}): {operation}, ' in told
    assert code in told


def test_statistics_of_what_goes_in_and_comes_out(replayed):
    rows = replayed(FAULTY + "model['fault'] = 'log'").origin.statistics
    assert rows['input of log'] == Statistics((4, 3), 'float32', 0, 0, 0, 0, 0, 0)
    assert rows['output of log'].inf == rows['output of fault'].inf == 1
    assert rows['input of fault'].inf == 0
    assert rows['fault.scale'][:6] == ((3,), 'float32', 1, 1, 1, 0)


def test_half_precision_says_where_it_ends(replayed):
    found = replayed(FAULTY + "model['half'] = True")
    assert found.origin.statistics['input of square'].dtype == 'float16'
    assert 'float16 ends at 65,504' in found.lines[-1]


def test_infinity_that_becomes_nan_elsewhere(replayed):
    found = replayed(FAULTY + "model['fault'] = 'log'")
    name, place = found.origin.turned  # -inf - inf
    assert (name, place.module) == ('linear', 'head')


def test_gradient_of_a_root_at_zero(replayed):
    found = replayed(FAULTY + "model['fault'] = 'sqrt'")
    assert found.kind == 'weights'  # of the step in which the loss is seen
    assert found.parameters == ['body.0.weight', 'body.0.bias', 'fault.scale']
    assert any('state of the optimizer is not finite' in row for row in found.lines)
    before = found.last_step
    assert (before.kind, before.module) == ('backward', 'fault')
    assert before.origin.name == 'SqrtBackward0'
    assert before.parameters[0] == 'fault.scale'
    assert '(x * 0).sqrt()' in SOURCE[before.origin.place.line - 1]
    rows = before.origin.statistics
    assert rows['gradient that comes in'].inf == 0
    assert rows['gradient that it makes'].inf == 1


def test_gradient_with_the_weights_of_a_checkpoint_beside_it(replayed):
    extra = """
model['fault'] = 'sqrt'
default_hooks['checkpoint'] = dict(interval=1)
"""
    found = replayed(FAULTY + extra)
    # the checkpoint of the step that broke them is of no use
    assert any('the weights are new ones' in row for row in found.lines)
    assert found.last_step.module == 'fault'


def test_weights_that_were_not_finite_before(replayed):
    found = replayed(FAULTY + "model['weight'] = float('inf')")
    assert (found.kind, found.module, found.module_class) == (
        'weights',
        'head',
        'Linear',
    )
    assert found.parameters == ['head.weight']
    assert 'no step was done before' in found.lines[-1]


def test_batch_that_is_not_finite(replayed):
    found = replayed(FAULTY + "train_dataloader['dataset']['infinite'] = 2")
    assert (found.kind, found.origin.name) == ('batch', 'points')
    assert found.origin.statistics['points'].inf == 0.25  # of four points, one
    assert 'the batch itself is not finite: points' in found.lines


def test_weights_that_ran_away(replayed):
    # a mask's infinity, which the softmax heals, is not what is looked for
    extra = "model['fault'] = 'mask'\noptim_wrapper['optimizer']['lr'] = 1e38"
    found = replayed(FAULTY + extra)
    assert (found.kind, found.origin.name) == ('forward', 'square')
    assert 'has grown to ' in found.lines[-1]
    assert 'lower the learning rate' in found.lines[-1]


def test_running_statistics_of_the_step_itself_are_no_cause(replayed):
    """A batch norm in training has written them before the step was kept."""
    found = replayed(FAULTY + "model['fault'] = 'log before norm'")
    saved = read_step(FILE)['state_dict']
    assert saved['fault.norm.running_mean'].isinf().all()
    assert (found.kind, found.module, found.origin.name) == ('forward', 'fault', 'log')


def test_gradients_of_several_iterations(replayed):
    extra = """
optim_wrapper['accumulative_counts'] = 2
optim_wrapper['optimizer'].update(lr=1e38, weight_decay=1e30)
"""
    found = replayed(FAULTY + extra)
    assert (found.kind, found.last_step.kind) == ('weights', 'finite')
    assert 'or one of the 1 iterations before, whose gradients were ' in found.lines[-1]


def test_step_that_cannot_be_kept(tmp_path, fresh, error_of):
    (tmp_path / 'faulty.py').write_text(FAULTY + "model['fault'] = 'log'")
    Path(FILE).mkdir(parents=True)
    error = error_of(train, 'faulty.py', 'run', seed=0)
    assert error.startswith('the loss is not finite at iteration 1: loss nan')
    assert 'the batch and the weights could not be kept: IsADirectoryError' in error
    assert 'replay.py' not in error
    assert not list(Path('run').glob('*.partial'))


def changed_file(**changes):
    saved = torch.load(FILE, weights_only=False)
    for key, value in changes.items():
        saved[key].update(value)
    torch.save(saved, FILE)


def test_step_that_is_finite_here(replayed):
    replayed(FAULTY + "model['fault'] = 'log'")
    changed_file(
        meta=dict(
            cfg_json=torch.load(FILE)['meta']['cfg_json'].replace(
                '"fault": "log"', '"fault": null'
            ),
            device='cuda',
            device_name='a GPU',
            torch='1.0',
            processes=2,
        )
    )
    found = replay(FILE, device='cpu')
    assert found.kind == 'finite'
    assert 'the run was on cuda (a GPU)' in found.lines[-1]
    assert 'torch 1.0, here' in found.lines[-1]
    assert '2 processes' in found.lines[-1]


def test_mixed_precision_is_repeated(replayed):
    replayed(FAULTY + "model['nan_loss'] = True")
    weights = torch.load(FILE)['state_dict']
    weights['head.bias'].fill_(3e38)  # finite, and no float16
    changed_file(meta=dict(autocast='float16'), state_dict=weights)
    found = replay(FILE)
    assert (found.module, found.origin.name) == ('head', 'linear')
    assert found.origin.statistics['output of linear'].dtype == 'float16'
    assert 'float16 ends at 65,504' in found.lines[-1]


@pytest.mark.parametrize(
    ('text', 'extra', 'module'),
    [
        (PLAYERS, "model['overflow_at'] = 1", ''),
        (TRANSLATOR, "optim_wrapper = dict(optimizer=dict(type='SGD', lr=1e38))", None),
    ],
)
def test_other_tasks(replayed, text, extra, module):
    found = replayed(text + '\n' + extra)
    assert found.kind == 'forward'
    if module is not None:
        assert found.module == module
        assert found.origin.name == 'mul'


def test_weights_of_one_of_two_networks(replayed):
    extra = "optim_wrapper['discriminator']['optimizer'] = dict(type='SGD', lr=1e38)"
    found = replayed(PLAYERS + extra)
    assert found.kind == 'weights'
    assert 'discriminator.weight' in found.parameters
    assert any('weights are those of run/iter_2.pth' in r for r in found.lines)


def test_detector(write_config, error_of):
    """Its batch holds data samples, which are read without running anything."""
    config = write_config("\nmodel['data_preprocessor'] = dict(std=[1e-45, 1, 1])\n")
    option = 'train_dataloader.batch_size=2'
    error_of(train, config, 'run', auto_scale_lr=False, cfg_options=[option])
    found = replay(FILE)
    assert (found.kind, found.origin.name) == ('batch', 'inputs')
    assert all(name in found.lines[1] for name in read_step(FILE)['names'])


def test_nothing_in_the_file_is_run(replayed, error_of):
    replayed(FAULTY + "model['fault'] = 'log'")

    class Trap:
        def __reduce__(self):
            return print, ('run',)

    changed_file(meta=dict(trap=Trap()))
    error = error_of(replay, FILE)
    assert 'would run code: it asks for print' in error


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'there is no checkpoint missing.pth'),
        (dict(state_dict=dict(a=torch.ones(1))), 'is no step that a training kept'),
        (
            dict(inputs=1, random={}, own_step=False, names=[], lr={}, meta={})
            | dict(state_dict={}, losses=3, iter='9'),
            'is no step that a training kept (it lacks losses, iter)',
        ),
    ],
)
def test_other_files(fresh, error_of, content, message):
    if content is not None:
        torch.save(content, 'missing.pth')
    assert message in error_of(replay, 'missing.pth')


def test_random_state_is_that_of_the_step():
    state = random_state()
    first = torch.rand(3), torch.rand(())
    set_random_state(state)
    assert torch.equal(torch.rand(3), first[0])


@pytest.mark.parametrize(
    ('values', 'shown'),
    [
        ([1.0, 3.0], '(2,) float32, min 1, max 3, mean 2, std 1, finite'),
        ([math.nan, math.inf], '(2,) float32, 0.5 of it NaN, 0.5 of it infinite'),
        ([math.inf], '(1,) float32, all infinite'),
    ],
)
def test_statistics_in_words(values, shown):
    assert str(Statistics.of(torch.tensor(values))) == shown


def test_watch_leaves_the_model_as_it_was():
    model = planted_faults.PlantedNet()
    with Watch(model, {}) as watch:
        model(torch.zeros(1, 2))
    watch.close()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any(p._backward_hooks for p in model.parameters())
