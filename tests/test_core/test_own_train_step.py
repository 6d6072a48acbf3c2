"""Runs of models with a ``train_step`` and several optimizers of their own."""

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from test_iteration_runs import log
from torch import nn
from toy_runs import PLAYERS, ToyGAN, ToyLanguageModel

from projects.core.engine import train
from projects.core.engine.distributed import distributed_model, has_own_step
from projects.core.engine.training import _set_up_amp
from projects.core.errors import UserError
from projects.core.weights import load_weights, read_checkpoint

HERE = Path(__file__).parent


@pytest.fixture
def write(tmp_path, fresh):
    """Function that writes a run config."""

    def call(extra=''):
        path = tmp_path / 'toy.py'
        path.write_text(PLAYERS + extra)
        return str(path)

    return call


def weights(work_dir, iteration=3):
    return read_checkpoint(f'{work_dir}/iter_{iteration}.pth')['state_dict']


def difference(a, b):
    assert list(a) == list(b)
    return max((a[k] - b[k]).abs().max().item() for k in a)


def rates(runner):
    return {
        name: wrapper.param_groups[0]['lr']
        for name, wrapper in runner.optim_wrapper.items()
    }


def test_each_learning_rate_is_scaled(write):
    runner = train(
        write("""
auto_scale_lr = dict(base_batch_size=16)
optim_wrapper['generator']['accumulative_counts'] = 2
optim_wrapper['discriminator']['optimizer'] = dict(type='Adam')
"""),
        'run',
    )
    # 4 a batch, and two steps accumulated; Adam's own rate is 0.001
    assert 'generator lr 0.1 x 8/16 = 0.05\n' in log('run')
    assert 'discriminator lr 0.001 x 4/16 = 0.00025\n' in log('run')
    assert rates(runner) == pytest.approx(
        dict(generator=0.05, discriminator=0.00025), rel=1e-9
    )


@pytest.mark.parametrize(
    ('scaling', 'option', 'lr'),
    [
        ('', True, 0.1),
        ('base_batch_size=8', True, 0.05),
        ('base_batch_size=8', False, 0.1),
        ('base_batch_size=8, enable=True', True, 0.05),
        ('base_batch_size=8, enable=True', False, 0.1),
        ('base_batch_size=8, enable=False', True, 0.1),  # as mmdet's schedules have
    ],
)
def test_scaling_is_on_unless_switched_off(write, scaling, option, lr):
    config = write(f'\nauto_scale_lr = dict({scaling})\n')
    assert rates(train(config, 'run', auto_scale_lr=option))['generator'] == lr


def test_scaling_without_a_base(write, error_of):
    config = write('\nauto_scale_lr = dict(enable=True)\n')
    assert error_of(train, config, 'run').startswith('auto_scale_lr: state the base_')


def test_optimizer_without_a_learning_rate_is_left_alone(write):
    from mmengine.optim import OptimWrapper, OptimWrapperDict

    runner = train(write(), 'run')
    optimizers = [torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1) for _ in range(2)]
    del optimizers[1].defaults['lr'], optimizers[1].param_groups[0]['lr']
    a, b = map(OptimWrapper, optimizers)
    runner.scale_lr(OptimWrapperDict(a=a, b=b), dict(enable=True, base_batch_size=2))
    assert a.param_groups[0]['lr'] == 0.2
    assert 'b lr: this optimizer has none to scale' in log('run')


@pytest.mark.parametrize(
    'optim_wrapper',
    [
        dict(optimizer=dict(type='SGD')),
        dict(constructor='X', a=dict(optimizer=dict()), b=dict(optimizer=dict())),
    ],
)
def test_amp_is_set_for_each_optimizer(optim_wrapper):
    cfg = Config(dict(optim_wrapper=optim_wrapper))
    _set_up_amp(cfg)
    amp = dict(type='AmpOptimWrapper', loss_scale='dynamic')
    expected = (
        {**optim_wrapper, **amp}
        if 'optimizer' in optim_wrapper
        else dict(
            constructor='X', a=dict(optimizer={}, **amp), b=dict(optimizer={}, **amp)
        )
    )
    assert cfg.optim_wrapper == expected


def test_amp_without_an_optimizer():
    with pytest.raises(UserError, match=r"^--amp: optim_wrapper holds no 'optimizer'"):
        _set_up_amp(Config(dict(optim_wrapper=dict(constructor='X'))))


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (
            "optim_wrapper['discriminator']['optimizer']['type'] = 'Adm'",
            "optim_wrapper.discriminator.optimizer.type: there is no type 'Adm'; "
            "did you mean 'Adam'",
        ),
        (
            "optim_wrapper['discriminato'] = optim_wrapper.pop('discriminator')",
            "optim_wrapper.discriminato: ToyGAN has no part 'discriminato'; did you "
            "mean 'discriminator'?",
        ),
        (
            "optim_wrapper['generator'] = dict(type='SGD', lr=0.1)",
            "optim_wrapper.generator has no 'optimizer'",
        ),
        (
            "optim_wrapper['paramwise_cfg'] = dict(bias_lr_mult=2)",
            'optim_wrapper.paramwise_cfg: there are several optimizers',
        ),
    ],
)
def test_mistakes_in_several_optimizers(write, error_of, extra, message):
    assert message in error_of(train, write(f'\n{extra}\n'), 'run')


def test_first_line_counts_the_parts(write):
    train(write("\nmodel['type'] = 'projects.ToyGAN'\n"), 'run')
    assert (
        'ToyGAN, 0.00 M parameters (generator 0.00, discriminator 0.00), on 8 samples '
        'of ToyPoints, 3 iterations, seed 0' in log('run')
    )
    assert 'generator.lr: 1.0000e-01 discriminator.lr: 2.0000e-02' in log('run')


def test_resumed_players_are_the_uninterrupted_ones(write, fresh):
    train(write(), 'whole')
    fresh()
    train(write("\ntrain_cfg['max_iters'] = 2\n"), 'resumed')
    fresh()
    train(write(), 'resumed', resume=True)
    assert difference(weights('whole'), weights('resumed')) == 0
    assert difference(weights('whole', 2), weights('whole')) > 1e-3


def test_nonfinite_loss_of_an_own_step(write, error_of):
    config = write("\nmodel['overflow_at'] = 2\n")
    error = error_of(train, config, 'run', seed=0)
    where, what = error.splitlines()
    assert where.startswith('the loss is not finite at iteration 2: loss_d ')
    assert (
        ', loss_g inf; generator lr 0.1, discriminator lr 0.02; the weights after it '
        'are finite' in where
    )
    assert what.startswith('the batch and the weights are in /')
    assert [p.name for p in Path('run').glob('iter_*')] == ['iter_1.pth']  # not saved
    saved = torch.load('run/nonfinite_loss.pth', weights_only=False)
    assert saved['iter'] == 1
    assert torch.equal(saved['inputs']['points'][0], torch.tensor([0.5, 0.5]))
    assert saved['losses']['loss_d'].isfinite()
    assert saved['losses']['loss_g'] == math.inf
    assert saved['lr'] == {'generator.lr': [0.1], 'discriminator.lr': [0.02]}
    ToyGAN().load_state_dict(saved['state_dict'])


def test_own_step_is_told_from_that_of_the_base():
    assert has_own_step(ToyGAN())
    assert not has_own_step(ToyLanguageModel())


TWO = """
custom_imports = dict(imports=['projects', 'toy_runs'])
optim_wrapper['discriminator']['optimizer'] = dict(type='SGD', lr=0.1)
"""


@pytest.mark.slow  # as those of a GAN in test_gan.py
def test_two_processes_take_the_steps_of_one(write, fresh, train_in_two):
    config = write(TWO)
    train_in_two(config, 'two', 2, HERE)
    train(config, 'one')
    fresh()
    # half the batch is another step: the tolerance below can tell
    train(config, 'half', cfg_options=['train_dataloader.batch_size=2'])
    one = weights('one')
    assert difference(one, weights('one', 1)) > 1e-2
    assert difference(one, weights('half')) > 1e-4
    assert difference(one, weights('two')) < 1e-6


@pytest.fixture
def one_process_group(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(
        'mmengine.model.wrappers.seperate_distributed.get_device', lambda: 'cpu'
    )
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/group', rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


def test_names_of_weights_are_those_of_one_process(one_process_group):
    plain, wrapped = ToyGAN(), distributed_model(ToyGAN())
    model = wrapped.module
    assert isinstance(model.generator, MMDistributedDataParallel)
    assert list(model.state_dict()) == list(plain.state_dict())
    assert difference(model.state_dict(), plain.state_dict()) > 0
    report = load_weights(model, plain.state_dict(), 'x')
    assert report == '6 of 6 weights (100.0% of the parameters) loaded from x'
    assert difference(model.state_dict(), plain.state_dict()) == 0
    # a step of the base class is taken by the wrapper of the whole
    assert isinstance(distributed_model(ToyLanguageModel()), MMDistributedDataParallel)


def test_parameter_that_no_process_would_average():
    model = ToyGAN()
    model.temperature = nn.Parameter(torch.ones(()))
    with pytest.raises(UserError, match="its parameter 'temperature' is of none"):
        distributed_model(model)
