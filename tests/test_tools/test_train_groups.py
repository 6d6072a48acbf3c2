"""Groups of runs by tools/train.py, in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from projects.core.reports.group import read_group
from projects.core.reports.record import read_record

TOOL = Path(__file__).parents[2] / 'tools/train.py'


def tool(folder, *args):
    """tools/train.py with the config of a folder, started in it."""
    return subprocess.Popen(
        [sys.executable, str(TOOL), 'tiny.py', *args],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finished(process):
    """What the screen showed, given that all went well."""
    screen, errors = process.communicate(timeout=500)
    assert process.returncode == 0, screen + errors
    return screen


GROUP = '--repeat', '2', '--seed', '3', '--work-dir', 'runs'


@pytest.fixture(scope='module')
def whole(tmp_path_factory, digits_coco, write_tiny):
    """Folder of the group ``runs`` of two seeds, three epochs each."""
    folder = tmp_path_factory.mktemp('whole')
    extra = 'train_cfg.update(max_epochs=3)\n'
    write_tiny(folder / 'tiny.py', digits_coco, extra)
    screen = finished(tool(folder, *GROUP))
    assert screen.count('trained in') == 2  # of the members
    assert '2 of 2 seeds are finished' in screen
    return folder


def assert_equal(first, second):
    """The weights of two runs are the same to the bit."""
    first, second = (
        torch.load(folder / 'epoch_3.pth', weights_only=False)['state_dict']
        for folder in (first, second)
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_a_member_is_as_a_single_run(whole):
    finished(tool(whole, '--seed', '4', '--work-dir', 'single'))
    assert_equal(whole / 'runs/seed_4', whole / 'single')
    member, single = read_record(whole / 'runs/seed_4'), read_record(whole / 'single')
    assert member.group == dict(kind='repeat', index=1, of=2)
    assert single.group is None
    assert member.best == single.best
    assert member.command[-2:] == ['--seed', '4']
    metrics = read_group(whole / 'runs').metrics
    chosen = next(iter(metrics))
    assert metrics[chosen]['values'][1] == single.best[chosen]['score']


def child_of(process):
    """The process that trains a member, as GNU/Linux tells it."""
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
    return int(children.read_text())


@pytest.mark.slow
@pytest.mark.parametrize('how', ['member killed', 'both killed', 'SIGTERM', 'SIGINT'])
def test_a_group_that_is_stopped_in_its_second_member_goes_on(whole, tmp_path, how):
    (tmp_path / 'tiny.py').write_text((whole / 'tiny.py').read_text())
    process = tool(tmp_path, *GROUP)
    while not (tmp_path / 'runs/seed_4/epoch_1.pth').exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    child = child_of(process)
    if how == 'member killed':
        os.kill(child, signal.SIGKILL)
    elif how == 'both killed':
        os.kill(process.pid, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
    else:
        process.send_signal(getattr(signal, how))
    screen, errors = process.communicate(timeout=100)
    if how == 'member killed':
        assert process.returncode == 1
        assert errors.startswith('error: seed_4 was ended by SIGKILL')
    elif how == 'SIGTERM':
        assert (process.returncode, errors) == (143, '')
        assert screen.count('stopped by SIGTERM; --resume goes on from') == 1
    elif how == 'SIGINT':
        assert (process.returncode, errors) == (130, '\ninterrupted\n')
    assert read_group(tmp_path / 'runs').finished == ['seed_3']

    screen = finished(tool(tmp_path, *GROUP, '--resume'))
    assert 'seed_3 was finished before' in screen
    assert screen.count('trained in') == 1
    assert read_group(tmp_path / 'runs') == read_group(whole / 'runs')
    assert_equal(tmp_path / 'runs/seed_4', whole / 'runs/seed_4')


@pytest.mark.slow
def test_folds_of_a_detector(whole):
    args = '--folds', '2', '--work-dir', 'folds'
    finished(tool(whole, *args, '--cfg-options', 'train_cfg.max_epochs=1'))
    group = read_group(whole / 'folds')
    assert group.folds['sizes'] == [8, 8]
    assert group.finished == ['fold_0', 'fold_1']
    records = [read_record(whole / 'folds' / name) for name in group.members]
    first, second = (record.data for record in records)
    assert first['train']['size'] == second['val']['size'] == 8
    # two halves: each is validated on what the other is trained on
    assert first['train']['checksum'] == second['val']['checksum']
    assert first['val']['checksum'] == second['train']['checksum']
    command = records[1].command
    assert command[command.index('--folds') + 1] == '2'
    assert command[command.index('--work-dir') + 1] == 'folds'


@pytest.mark.slow
@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--repeat', 'x'], "argument --repeat: invalid int value: 'x'"),
        (['--repeat', '2', '--folds', '2'], 'not allowed with argument'),
        (['--repeat', '1'], 'error: --repeat: a whole number of at least 2, not 1'),
    ],
)
def test_the_command_line(whole, args, message):
    process = tool(whole, *args)
    _, errors = process.communicate(timeout=100)
    assert process.returncode in (1, 2)
    assert message in errors
