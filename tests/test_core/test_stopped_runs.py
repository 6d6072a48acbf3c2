"""Runs that are stopped, moved, copied, changed, or short of disk space."""

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import mmengine.fileio.backends
import pytest
import torch
from mmengine.hooks import Hook
from test_iteration_runs import EPOCHS, assert_same, log, rows, write  # noqa: F401
from torch.utils.data import BatchSampler

from projects.core.engine import train
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.engine.signals import obey_parent_alone
from projects.core.weights import read_checkpoint
from projects.registry import DATA_SAMPLERS, HOOKS

WORKERS = 'train_dataloader.update(num_workers=2, persistent_workers=True)'
BATCHES = "train_dataloader['batch_sampler'] = dict(type='projects.OddBatches')"
# as the configs of mmdet and mmpretrain name them
MMENGINES = """
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_interval=1)
default_hooks['checkpoint']['type'] = 'CheckpointHook'
"""
ACCUMULATED = "optim_wrapper['accumulative_counts'] = 2"


@HOOKS.register_module()
class SigtermHook(Hook):
    """A scheduler that wants its machine back, at one place of a run."""

    def __init__(self, place, count):
        self.place, self.count = place, count

    def _call(self, place):
        if place == self.place:
            self.count -= 1
            if self.count == 0:
                os.kill(os.getpid(), signal.SIGTERM)

    def before_train_iter(self, *args, **kwargs):
        self._call('step')

    def after_train_epoch(self, *args, **kwargs):
        self._call('epoch')

    def before_val_iter(self, *args, **kwargs):
        self._call('validation')


@DATA_SAMPLERS.register_module()
class OddBatches(BatchSampler):
    """Batches of two and three in turn."""

    def __init__(self, sampler, batch_size):
        super().__init__(sampler, batch_size, False)

    def __iter__(self):
        indices = list(self.sampler)
        while indices:
            size = 2 + len(indices) % 2
            yield indices[:size]
            indices = indices[size:]


def with_sigterm(place, count):
    return f"""
custom_hooks = [*_base_.custom_hooks,
                dict(type='projects.SigtermHook', place='{place}', count={count})]
"""


# the epochs have 7 steps; a validation has several
@pytest.mark.parametrize(
    ('extra', 'place', 'count', 'file'),
    [
        (EPOCHS, 'step', 10, 'stopped.pth'),
        (EPOCHS, 'step', 1, 'stopped.pth'),
        (EPOCHS, 'step', 14, 'epoch_2.pth'),  # the last of an epoch
        (EPOCHS, 'epoch', 2, 'epoch_2.pth'),
        (EPOCHS, 'validation', 3, 'epoch_1.pth'),
        (f'{EPOCHS}\n{WORKERS}\n', 'step', 10, 'stopped.pth'),
        (f'{EPOCHS}\n{BATCHES}\n', 'step', 11, 'stopped.pth'),
        (f'{EPOCHS}\n{ACCUMULATED}\n', 'step', 9, 'stopped.pth'),
        (EPOCHS + "default_hooks['checkpoint'].update(interval=3)", 'epoch', 2, None),
        (
            EPOCHS + "default_hooks['checkpoint'].update(interval=3)",
            'validation',
            1,
            'stopped.pth',
        ),
        (f'{EPOCHS}\n{MMENGINES}\n', 'step', 10, 'stopped.pth'),
        ('', 'step', 10, 'stopped.pth'),
        ('', 'step', 8, 'iter_8.pth'),
        (WORKERS, 'step', 11, 'stopped.pth'),
    ],
)
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    write,  # noqa: F811
    fresh,
    extra,
    place,
    count,
    file,
):
    last = 'epoch_4.pth' if EPOCHS in extra else 'iter_20.pth'
    train(write(extra), 'whole')
    fresh()
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        train(write(extra + with_sigterm(place, count)), 'stopped')
    assert end.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == handler
    file = file or 'stopped.pth'
    assert newest_checkpoint('stopped') == f'stopped/{file}'
    assert f'stopped by SIGTERM; --resume goes on from stopped/{file}' in log('stopped')
    steps = len(rows('stopped'))
    fresh()
    train(write(extra), 'stopped', resume=True)
    assert steps < len(rows('stopped')) == len(rows('whole'))
    assert_same('stopped', 'whole', last)
    assert not Path('stopped/stopped.pth').exists()


def test_a_worker_obeys_its_parent_alone():
    worker = multiprocessing.get_context('fork').Process(target=wait_as_worker)
    worker.start()
    time.sleep(0.3)
    subprocess.run(['kill', '-TERM', str(worker.pid)], check=True)
    worker.join(0.5)
    assert worker.is_alive()
    worker.terminate()
    worker.join(5)
    assert worker.exitcode == 0


def wait_as_worker():
    obey_parent_alone()
    time.sleep(60)


def test_a_requeued_job_goes_on_by_itself(write, fresh, monkeypatch):  # noqa: F811
    monkeypatch.setenv('SLURM_RESTART_COUNT', '1')
    with pytest.raises(SystemExit):  # nothing there: it begins
        train(write(EPOCHS + with_sigterm('step', 10)), 'run')
    fresh()
    train(write(EPOCHS), 'run')
    assert len(rows('run')) == 28
    assert 'resuming' in log('run')


@pytest.mark.parametrize('extra', [EPOCHS, ''])
def test_a_complete_run_says_so(write, fresh, extra):  # noqa: F811
    train(write(extra), 'run')
    before = rows('run')
    fresh()
    train(write(extra), 'run', resume=True)
    assert rows('run') == before
    what = '4 epochs' if extra else '20 iters'
    assert f'the run was complete, with {what}: nothing was left to train' in log('run')


def test_a_copy_goes_on_with_its_own_best_checkpoint(write, fresh):  # noqa: F811
    train(write(EPOCHS), 'run', cfg_options=['train_cfg.max_epochs=2'])
    files = {p.name: p.read_bytes() for p in Path('run').glob('*.pth')}
    best = next(name for name in files if name.startswith('best_'))
    shutil.copytree('run', 'copy')
    fresh()
    runner = train(write(EPOCHS), 'copy', resume=True)
    assert {p.name: p.read_bytes() for p in Path('run').glob('*.pth')} == files
    assert list(Path('copy').glob('best_*')) == [
        Path('copy', Path(runner.message_hub.get_info('best_ckpt')).name)
    ]
    assert not Path('copy', best).exists() or 'epoch_2' in best or 'epoch_1' in best


@pytest.mark.parametrize(
    ('resume', 'files', 'message'),
    [
        ('other/epoch_4.pth', ['epoch_1.pth'], 'holds epoch_1.pth of another run'),
        (False, ['epoch_1.pth'], 'add --resume to go on from it'),
        (False, ['stopped.pth'], 'add --resume to go on from it'),
        (False, ['best_perplexity_epoch_1.pth'], 'which this one could replace'),
    ],
)
def test_checkpoints_of_another_run_are_left_alone(
    write,  # noqa: F811
    fresh,
    error_of,
    resume,
    files,
    message,
):
    train(write(EPOCHS), 'other')
    fresh()
    Path('run').mkdir()
    for name in files:
        Path('run', name).write_text('mine')
    assert message in error_of(train, write(EPOCHS), 'run', resume=resume)
    assert {p.name: p.read_text() for p in Path('run').iterdir()} == dict.fromkeys(
        files, 'mine'
    )


# the steps of a batch of 6, from the beginning or from a place in the run
@pytest.mark.parametrize('stop', [with_sigterm('epoch', 2), with_sigterm('step', 11)])
def test_another_batch_size_has_the_rates_that_its_log_says(
    write,  # noqa: F811
    fresh,
    stop,
):
    extra = f"""{EPOCHS}
auto_scale_lr = dict(base_batch_size=3)
train_dataloader['drop_last'] = False
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5),
    dict(type='CosineAnnealingLR', T_max=3, begin=1, end=4, by_epoch=True,
         convert_to_iter_based=True),
    dict(type='MultiStepLR', milestones=[3], by_epoch=True),
]
"""
    options = ['train_dataloader.batch_size=6']
    train(write(extra), 'large', cfg_options=options)
    fresh()
    with pytest.raises(SystemExit):
        train(write(extra + stop), 'changed')
    fresh()
    steps = len(rows('changed'))
    runner = train(write(extra), 'changed', resume=True, cfg_options=options)
    whole, found = rows('large', 'lr'), rows('changed', 'lr')
    assert runner.iter == 16  # 4 steps an epoch
    first = 9 if steps == 14 else 7  # 2 epochs, or a half of the second
    assert {k: found[k] for k in range(first, 17)} == pytest.approx(
        {k: whole[k] for k in range(first, 17)}
    )
    assert 'the total batch was 3 and is 6' in log('changed')
    assert f'at a learning rate of {found[first]:g}' in log('changed')


def full(monkeypatch, is_full):
    """Writing of a checkpoint fails where ``is_full(name, count)``."""
    backend = mmengine.fileio.backends.LocalBackend
    put, counts = backend.put, []

    def put_or_fail(self, content, path):
        counts.append(Path(path).name.removesuffix('.partial'))
        if is_full(counts[-1], len(counts)):
            Path(path).write_bytes(content[:99])
            raise OSError(errno.ENOSPC, 'No space left on device', str(path))
        put(self, content, path)

    monkeypatch.setattr(backend, 'put', put_or_fail)


def test_a_checkpoint_for_which_there_was_no_room(write, fresh, monkeypatch):  # noqa: F811
    full(monkeypatch, lambda name, count: name == 'epoch_2.pth')
    train(write(EPOCHS), 'run')
    assert (
        'epoch_2.pth could not be written: No space left on device; the last whole '
        'checkpoint is run/epoch_1.pth. The training goes on, and the next checkpoint '
        'is tried'
    ) in log('run').replace(os.getcwd() + '/', '')
    names = {p.name for p in Path('run').glob('*.pth*')}
    assert {'epoch_3.pth', 'epoch_4.pth'} == {n for n in names if 'best' not in n}
    fresh()
    train(write(EPOCHS), 'whole')
    assert_same('run', 'whole', 'epoch_4.pth')


def test_the_oldest_makes_room_where_another_stays(write, fresh, monkeypatch):  # noqa: F811
    def is_full(name, count):  # of three: two fit
        return len(list(Path('run').glob('epoch_*.pth'))) == 2 and name == 'epoch_3.pth'

    full(monkeypatch, is_full)
    train(write(EPOCHS), 'run', cfg_options=['default_hooks.checkpoint.save_best=None'])
    assert sorted(p.name for p in Path('run').glob('epoch_*')) == [
        'epoch_3.pth',
        'epoch_4.pth',
    ]


@pytest.mark.parametrize('max_keep', [1, 2, -1])
def test_a_full_disk_at_the_end_is_an_error_and_a_resume_repairs(
    write,  # noqa: F811
    fresh,
    monkeypatch,
    error_of,
    max_keep,
):
    keep = f"\ndefault_hooks['checkpoint']['max_keep_ckpts'] = {max_keep}\n"
    with monkeypatch.context() as patch:
        full(patch, lambda name, count: 'epoch_4' in name or 'epoch_3' in name)
        error = error_of(train, write(EPOCHS + keep), 'run')
    assert error.startswith(
        'the training came to its end, but epoch_4.pth could not be written: No space '
        'left on device; the last whole checkpoint is '
    )
    assert not list(Path('run').glob('*.partial'))
    assert Path('run/epoch_2.pth').is_file() or max_keep > 1
    fresh()
    train(write(EPOCHS + keep), 'run', resume=True)
    fresh()
    train(write(EPOCHS + keep), 'whole')
    assert_same('run', 'whole', 'epoch_4.pth')


def test_a_best_checkpoint_without_room_leaves_the_old_one(
    write,  # noqa: F811
    fresh,
    monkeypatch,
):
    full(monkeypatch, lambda name, count: name.startswith('best_') and count > 3)
    runner = train(write(EPOCHS), 'run')
    best = Path(runner.message_hub.get_info('best_ckpt'))
    assert list(Path('run').glob('best_*')) == [Path('run', best.name)]
    score = read_checkpoint(str(best))['message_hub']['runtime_info']['best_score']
    assert score == runner.message_hub.get_info('best_score')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda c: c.pop('meta'), 'it lacks meta.epoch, meta.iter'),
        (lambda c: c.pop('message_hub'), 'it lacks message_hub'),
        (lambda c: c.pop('optimizer'), 'holds no state of the optimizer'),
        (lambda c: c['meta'].pop('epoch'), 'it lacks meta.epoch'),
        (lambda c: c['meta'].update(epoch='3'), 'it lacks meta.epoch'),
        (lambda c: c.update(optimizer=[]), 'cannot be resumed from'),
        (lambda c: c.update(optimizer=dict(state={})), 'cannot be resumed from'),
        (lambda c: c.update(param_schedulers=3), 'cannot be resumed from'),
        (lambda c: c['message_hub'].update(log_scalars=1), 'cannot be resumed from'),
        (lambda c: c['meta'].update(batches=[1]), 'cannot be resumed from'),
        (
            lambda c: c['meta'].update(config="open('never', 'w')\nmodel = dict()"),
            None,
        ),
    ],
)
def test_files_that_cannot_be_resumed_from(
    write,  # noqa: F811
    fresh,
    error_of,
    change,
    message,
):
    train(write(EPOCHS), 'run', cfg_options=['train_cfg.max_epochs=1'])
    fresh()
    file = Path('run/epoch_1.pth')
    content = torch.load(file, weights_only=False)
    change(content)
    torch.save(content, file)
    if message is None:
        train(write(EPOCHS), 'run', resume=True)
        assert not Path('never').exists()
    else:
        assert message in error_of(train, write(EPOCHS), 'run', resume=True)
