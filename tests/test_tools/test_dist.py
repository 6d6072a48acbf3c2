"""dist_train.sh and dist_test.sh: two processes on the CPU are one run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from projects.core.datasets.digits_coco import make_digits_coco
from projects.core.engine import evaluate, hooks, train
from projects.core.weights import read_checkpoint

TOOLS = Path(__file__).parents[2] / 'tools'

# One step of plain SGD on four images. What two processes draw or average
# each by itself is left out: dropout, jitter, batch norm, shuffling. With a
# digit an image no two compete for a cell, which would be drawn by lot.
ONE_STEP = """
model['backbone'] = dict(norm_cfg=None)
model['bbox_head']['predictor']['dropout'] = 0.0
train_pipeline.pop(2)
train_dataloader['sampler'] = dict(type='DefaultSampler', shuffle=False)
train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=9)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01), clip_grad=None,
    paramwise_cfg=None)
param_scheduler = []
auto_scale_lr = dict(base_batch_size=4)
"""
FAILING_HOOK = """
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from projects.registry import HOOKS

@HOOKS.register_module()
class FailingHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if get_rank() == 1:
            raise ArithmeticError('two and two make five')
"""


def run(script, *args, **env):
    # the scripts call the `python` of an environment that is active
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    env = {
        k: v
        for k, v in {**os.environ, 'PATH': path, **env}.items()
        if k not in ('PORT', 'RANK')
    }
    return subprocess.run(
        ['bash', str(TOOLS / script), *map(str, args)],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        check=False,
    )


@pytest.fixture
def four_images(tmp_path):
    return make_digits_coco(
        tmp_path / 'four',
        num_train=4,
        num_val=2,
        image_size=64,
        min_size=12,
        max_size=40,
        max_digits=1,
    )


def weights(work_dir):
    return read_checkpoint(f'{work_dir}/epoch_1.pth')['state_dict']


def difference(a, b):
    return max((a[k].float() - b[k].float()).abs().max().item() for k in a)


def test_two_processes_take_the_step_of_one(write_config, four_images, fresh):
    config = write_config(ONE_STEP, data_root=four_images)
    done = run(
        'dist_train.sh',
        config,
        2,
        '--work-dir',
        'two processes',
        '--cfg-options',
        'train_dataloader.batch_size=2',
    )
    assert done.returncode == 0, done.stdout
    train(config, 'one', cfg_options=['train_dataloader.batch_size=4'])
    fresh()
    # half the batch is another step: the tolerance below can tell
    train(
        config,
        'half',
        auto_scale_lr=False,
        cfg_options=[
            'train_dataloader.batch_size=2',
            'train_dataloader.dataset.indices=2',
        ],
    )
    fresh()
    train(config, 'none', cfg_options=['optim_wrapper.optimizer.lr=0'])
    assert difference(weights('one'), weights('none')) > 1e-3
    assert difference(weights('one'), weights('half')) > 1e-4
    assert difference(weights('one'), weights('two processes')) < 1e-6
    # each line of the log once, the total batch in the rate
    assert done.stdout.count('trained in') == 1
    assert 'lr 0.01 x 4/4 = 0.01' in done.stdout
    assert re.search(r'seed 0, on 2 x cpu', done.stdout)


@pytest.mark.slow
def test_rank_that_fails_shows_its_exception(write_config, tmp_path):
    (tmp_path / 'failing_hook.py').write_text(FAILING_HOOK)
    config = write_config("""
custom_imports = dict(imports=['failing_hook'])
custom_hooks = [*_base_.custom_hooks, dict(type='projects.FailingHook')]
""")
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    done = run('dist_train.sh', config, 2, PYTHONPATH=path)
    assert done.returncode == 1
    assert done.stdout.count('two and two make five') == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f'rank 1: error: {config}: ')
    assert 'ArithmeticError: two and two make five' in last
    assert 'Traceback' not in done.stdout


@pytest.mark.slow
def test_mistake_that_all_processes_find_is_told_once(write_config):
    config = write_config('model["type"] = "Nothing"')
    done = run('dist_train.sh', config, 2)
    assert done.returncode == 1
    assert done.stdout.count('there is no type') == 1
    assert done.stdout.splitlines()[-1] == (
        f"error: {config}: model.type: there is no type 'Nothing'"
    )


def test_two_processes_test_as_one(by_heart, checkpoint):
    config = by_heart
    done = run('dist_test.sh', config, checkpoint, 2, '--out', 'two of.json')
    assert done.returncode == 0, done.stdout
    metrics = evaluate(config, checkpoint, 'one', 'one.json')
    (file,) = Path('work_dirs/tiny').glob('[0-9]*/*.json')
    found = json.loads(file.read_text())
    assert len(metrics) == 12
    assert metrics['coco/bbox_mAP'] > 0.05
    for name, value in metrics.items():
        assert found[name] == pytest.approx(value, abs=1e-6)
    counts = [len(json.loads(Path(p).read_text())) for p in ('one.json', 'two of.json')]
    assert counts[0] == counts[1] > 20


def test_one_process_writes_the_numbers_of_a_test(monkeypatch):
    """Of two that write the same file at once one may end in the other's text."""
    monkeypatch.setattr(hooks, 'is_main_process', lambda: False)
    hooks.LoggerHook().after_test_epoch(runner=None)  # which would be asked for them


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['dist_train.sh', 'x.py'], 'usage: '),
        (['dist_test.sh', 'x.py', 'y.pth'], 'usage: '),
        (['dist_train.sh', 'x.py', 'two'], "'two' is no number of processes"),
        (['dist_train.sh', 'x.py', '0'], "'0' is no number of processes"),
    ],
)
def test_usage(args, message):
    done = run(*args)
    assert done.returncode == 2
    assert message in done.stdout


FAKE_PYTHON = """#!/bin/bash
if [ "$1" = -c ]; then exec {python} "$@"; fi
printf '%s\\n' "$OMP_NUM_THREADS" "$@" >> launched.txt
"""


@pytest.fixture
def launched(tmp_path, monkeypatch, fresh):
    """Function that runs a script with a python that notes its arguments."""
    import sys

    python = tmp_path / 'bin/python'
    python.parent.mkdir()
    python.write_text(FAKE_PYTHON.format(python=sys.executable))
    python.chmod(0o755)

    def call(*args, **env):
        Path('launched.txt').unlink(missing_ok=True)
        done = run(*args, PATH=f'{python.parent}:{os.environ["PATH"]}', **env)
        assert done.returncode == 0, done.stdout
        return Path('launched.txt').read_text().splitlines()

    return call


def test_all_arguments_are_passed_on_and_ports_are_free(launched):
    tail = ['--work-dir', 'a b', '--cfg-options', "x='c d'", 'y=*']
    calls = [launched('dist_train.sh', 'my config.py', 3, *tail) for _ in range(2)]
    for call in calls:
        assert (
            call[-8:]
            == [f'{TOOLS}/train.py', 'my config.py', '--launcher', 'pytorch', *tail][
                -8:
            ]
        )
        assert '--nproc_per_node=3' in call
        assert '--nnodes=1' in call
    ports = [next(a for a in call if a.startswith('--master_port=')) for call in calls]
    assert ports[0] != ports[1]
    assert all(1024 < int(p.partition('=')[2]) < 65536 for p in ports)


def test_several_nodes(launched):
    call = launched(
        'dist_test.sh',
        'c.py',
        'w.pth',
        8,
        NNODES='2',
        NODE_RANK='1',
        MASTER_ADDR='10.0.0.7',
    )
    assert {
        '--nnodes=2',
        '--node_rank=1',
        '--master_addr=10.0.0.7',
        '--master_port=29500',
        '--nproc_per_node=8',
    } <= set(call)
    assert call[-5:] == [f'{TOOLS}/test.py', 'c.py', 'w.pth', '--launcher', 'pytorch']


def test_threads_are_shared_out(launched, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    assert launched('dist_train.sh', 'c.py', 999)[0] == '1'
    assert launched('dist_train.sh', 'c.py', 1)[0] == str(
        os.sysconf('SC_NPROCESSORS_ONLN')
    )
    assert launched('dist_train.sh', 'c.py', 1, OMP_NUM_THREADS='3')[0] == '3'


STOPPING_HOOK = """
import os, signal
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from projects.registry import HOOKS

@HOOKS.register_module()
class StoppingHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if get_rank() == 1 and runner.iter == 2:
            os.kill(os.getppid(), signal.SIGTERM)  # the launcher
"""


@pytest.mark.slow
def test_stopped_processes_go_on_together(write_config, tmp_path):
    (tmp_path / 'stopping_hook.py').write_text(STOPPING_HOOK)
    stop = """
custom_imports = dict(imports=['stopping_hook'])
custom_hooks = [*_base_.custom_hooks, dict(type='projects.StoppingHook')]
"""
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    options = ['--cfg-options', 'train_dataloader.batch_size=2']
    config = write_config()
    done = run('dist_train.sh', config, 2, '--work-dir', 'whole', *options)
    assert done.returncode == 0, done.stdout
    config = write_config(stop)
    done = run(
        'dist_train.sh', config, 2, '--work-dir', 'run', *options, PYTHONPATH=path
    )
    assert done.returncode == 143, done.stdout
    assert done.stdout.count('stopped by SIGTERM; --resume goes on from') == 1
    assert Path('run/stopped.pth').is_file()
    config = write_config()
    done = run('dist_train.sh', config, 2, '--work-dir', 'run', '--resume', *options)
    assert done.returncode == 0, done.stdout
    ends = [
        read_checkpoint(f'{folder}/epoch_2.pth')['state_dict']
        for folder in ('whole', 'run')
    ]
    assert difference(*ends) == 0
