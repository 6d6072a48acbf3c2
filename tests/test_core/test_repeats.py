import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from projects.core.engine import cross_validate, repeat
from projects.core.errors import UserError
from projects.core.member import Members
from projects.core.reports.group import Group, read_group
from projects.core.variants import config_root

LENET = str(config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py')
OTHER = LENET.replace('-modern_1xb64-20e', '_1xb64-40e')
# of each member, after the first epoch and the second
SCORES = [(90, 80), (70, 82), (94, 84)]


def write_log(folder, scores, best):
    """What a training of two epochs of ten iterations leaves."""
    session = Path(folder, '20260131_120000')
    (session / 'vis_data').mkdir(parents=True)
    lines = [dict(loss=1.0, epoch=e, iter=10 * e) for e in (1, 2)]
    vals = [
        {'accuracy/top1': score, 'time': 0.1, 'step': epoch}
        for epoch, score in enumerate(scores, 1)
    ]
    text = [json.dumps(line) for pair in zip(lines, vals, strict=True) for line in pair]
    (session / 'vis_data/scalars.json').write_text('\n'.join(text) + '\n')
    log = 'Epoch(train) [1][10/10]\n - INFO - trained in 0:00:01\n'
    (session / '20260131_120000.log').write_text(log)
    Path(folder, f'best_accuracy_top1_epoch_{best}.pth').touch()
    Path(folder, 'epoch_2.pth').touch()


@pytest.fixture
def members(monkeypatch, fresh):
    """Trainings take no time; what each was asked for, by name."""
    asked = {}

    def run(self, name, options, variables):
        asked[name] = options
        index = json.loads(variables['MMATLAS_GROUP'])['index']
        assert index == list(asked).index(name)
        scores = SCORES[index]
        write_log(options['work_dir'], scores, 1 + (scores[1] > scores[0]))

    monkeypatch.setattr(Members, 'run', run)
    return asked


def test_a_group_ends_in_mean_spread_and_interval(members, capsys):
    group = repeat(LENET, 3, 'runs', cfg_options=['train_cfg.max_epochs=2'])
    assert read_group('runs') == group
    assert group.members == group.finished == ['seed_0', 'seed_1', 'seed_2']
    assert (group.chosen_by, group.best_at) == ('accuracy/top1', [1, 2, 1])
    assert set(group.metrics) == {'accuracy/top1'}
    # 80, 82, 84: mean 82, variance (4 + 0 + 4) / 2, t(0.975) of 2 degrees 4.30265
    last = group.last['accuracy/top1']
    half = 4.30265 * 2 / math.sqrt(3)
    assert last == dict(
        values=[80, 82, 84],
        mean=82,
        std=2,
        low=pytest.approx(82 - half, abs=1e-4),
        high=pytest.approx(82 + half, abs=1e-4),
    )
    assert group.metrics['accuracy/top1']['values'] == [90, 82, 94]
    assert [options['seed'] for options in members.values()] == [0, 1, 2]
    assert members['seed_1']['work_dir'] == 'runs/seed_1'
    assert members['seed_1']['cfg_options'] == ['train_cfg.max_epochs=2']
    screen = capsys.readouterr().out
    table = [line.split(' - ')[-1].split() for line in screen.splitlines()]
    figures = ['accuracy/top1', '80.0000', '82.0000', '84.0000', '82.0000', '2.0000']
    assert [*figures, '77.0317', 'to', '86.9683'] in table
    log = Path('runs/group.log').read_text()
    assert 'accuracy/top1  80.0000' in log
    assert 'runs/compare.html' in log
    assert Path('runs/compare.html').is_file()


def test_folds_are_all_of_one_seed(members):
    group = cross_validate(LENET, 3, 'runs', seed=7)
    assert group.members == ['fold_0', 'fold_1', 'fold_2']
    assert group.folds['sizes'] == [500, 500, 500]
    assert group.folds['stratified']
    assert [o['fold'] for o in members.values()] == [[0, 3], [1, 3], [2, 3]]
    assert {o['seed'] for o in members.values()} == {7}
    # 80, 82, 84 as above, with 1 / 3 + 1 / 2 in place of 1 / 3
    last = group.last['accuracy/top1']
    assert last['high'] - 82 == pytest.approx(4.30265 * 2 * math.sqrt(5 / 6), abs=1e-4)
    log = Path('runs/group.log').read_text()
    assert "the config's own validation data are not used" in log
    assert 'corrected for folds that share training data' in log


def test_more_seeds_are_added(members):
    repeat(LENET, 2, 'runs', seed=0)
    before = dict(members)
    members.clear()
    members['seed_0'], members['seed_1'] = before.values()
    group = repeat(LENET, 3, 'runs', resume=True)
    assert list(members) == ['seed_0', 'seed_1', 'seed_2']
    assert members['seed_1'] is before['seed_1']  # not trained again
    assert group.last['accuracy/top1']['values'] == [80, 82, 84]


def test_a_member_that_is_gone_is_trained_again(members):
    repeat(LENET, 3, 'runs')
    shutil.rmtree('runs/seed_1')
    members.clear()
    members['seed_0'] = None  # for the numbers of those that follow
    group = repeat(LENET, 3, 'runs', resume=True)
    assert list(members) == ['seed_0', 'seed_1']
    assert group.last['accuracy/top1']['values'] == [80, 82, 84]


def cut(members, monkeypatch):
    """Lets the second member be killed after its first checkpoint."""
    run = Members.run

    def run_one(self, name, options, variables):
        if name == 'seed_1':
            Path(options['work_dir']).mkdir(parents=True)
            Path(options['work_dir'], 'epoch_1.pth').touch()
            raise UserError('seed_1 was ended by SIGKILL')
        run(self, name, options, variables)

    monkeypatch.setattr(Members, 'run', run_one)
    with pytest.raises(UserError, match='ended by SIGKILL'):
        repeat(LENET, 3, 'runs')
    monkeypatch.setattr(Members, 'run', run)


def test_a_group_that_was_cut_goes_on(members, monkeypatch, error_of):
    cut(members, monkeypatch)
    group = read_group('runs')
    assert group.finished == ['seed_0']
    assert group.last['accuracy/top1']['std'] is None
    assert 'add --resume to go on with it' in error_of(repeat, LENET, 3, 'runs')
    group = repeat(LENET, 3, 'runs', resume=True)
    assert [m['resume'] for m in members.values()] == [False, True, False]
    assert group.last['accuracy/top1']['values'] == [80, 82, 84]
    assert 'seed_0 was finished before' in Path('runs/group.log').read_text()


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: repeat(LENET, 2, 'runs', resume=True), 'give 3 or more'),
        (lambda: repeat(LENET, 3, 'runs', resume=True, seed=5), 'first seed is 0'),
        (
            lambda: repeat(LENET, 3, 'runs', resume=True, deterministic=True),
            'the config or the options have changed',
        ),
        (
            lambda: repeat(LENET, 3, 'runs', resume=True, cfg_options=['val_cfg=None']),
            'the config or the options have changed',
        ),
        (
            lambda: repeat(
                LENET.replace('-modern_1xb64-20e', '_1xb64-40e'), 3, 'runs', True
            ),
            'this is .*/lenet5_1xb64-40e',
        ),
        (lambda: cross_validate(LENET, 3, 'runs', resume=True), 'not of --folds'),
        (lambda: repeat(LENET, 3, 'none', resume=True), 'holds no group'),
        (lambda: repeat(LENET, 3, 'runs', resume='a.pth'), '--resume a.pth'),
    ],
)
def test_a_group_goes_on_as_it_was_begun(members, monkeypatch, call, message):
    cut(members, monkeypatch)
    with pytest.raises(UserError, match=message):
        call()


def test_folds_of_other_data_do_not_go_on(members):
    cross_validate(LENET, 3, 'runs')
    document = json.loads(Path('runs/group.json').read_text())
    document['folds']['checksum'] = 'another'
    Path('runs/group.json').write_text(json.dumps(document))
    with pytest.raises(UserError, match='the training data are others'):
        cross_validate(LENET, 3, 'runs', resume=True)
    with pytest.raises(UserError, match=r'--folds 4: .*; give 3, or'):
        cross_validate(LENET, 4, 'runs', resume=True)


@pytest.mark.parametrize('number', [0, 1, -2, 2.5, True, '3'])
@pytest.mark.parametrize(
    ('function', 'option'), [(repeat, '--repeat'), (cross_validate, '--folds')]
)
def test_a_group_is_of_two_at_least(function, option, number, error_of, fresh):
    error = error_of(function, LENET, number, 'runs')
    assert error.startswith(f'{option}: a whole number of at least 2, not {number!r}')
    assert not Path('runs').exists()


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: cross_validate(LENET, 9999), 'there are 1500 samples'),
        (lambda: cross_validate(LENET, 200), 'no class has more than'),
        (lambda: repeat(LENET, 3, launcher='pytorch'), 'by itself, as in tools/dist'),
        (lambda: repeat(LENET, 3, seed=2**32 - 2), 'the last of 3 is'),
        (lambda: repeat(LENET, 3, cfg_options=['val_evaluator=None']), 'validates'),
        (lambda: repeat('none.py', 3), 'none.py'),
    ],
)
def test_nothing_is_written_before_a_refusal(call, message, fresh):
    with pytest.raises(UserError, match=message):
        call()
    assert not Path('work_dirs').exists()


@pytest.mark.parametrize('there', [False, True])
def test_a_member_that_is_refused_leaves_nothing(members, monkeypatch, there):
    def run(self, *args):
        raise UserError('seed_0: the data are not there')

    monkeypatch.setattr(Members, 'run', run)
    if there:
        Path('runs').mkdir()
        Path('runs/mine.txt').touch()
    with pytest.raises(UserError, match='the data are not there'):
        repeat(LENET, 3, 'runs')
    assert Path('runs').exists() == there
    assert not there or {p.name for p in Path('runs').iterdir()} == {
        'mine.txt',
        '.mmatlas.sha256',
    }


@pytest.mark.parametrize(
    ('file', 'message'),
    [
        ('epoch_3.pth', 'holds epoch_3.pth of a single run'),
        ('run.json', 'holds run.json of a single run'),
        ('seed_1/note', 'runs/seed_1 is there already, of no group'),
    ],
)
def test_a_group_is_not_mixed_with_other_runs(members, file, message):
    Path('runs', file).parent.mkdir(parents=True)
    Path('runs', file).touch()
    with pytest.raises(UserError, match=message):
        repeat(LENET, 3, 'runs')
    assert not members


def test_a_single_run_is_not_mixed_with_a_group(members, error_of):
    from projects.core.engine import train

    repeat(LENET, 3, 'runs')
    for resume in (False, True):
        assert 'runs holds a group of runs' in error_of(train, LENET, 'runs', resume)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"schema"', 'Expecting'),
        ('[]', 'its schema is not'),
        ('{"schema": "mmatlas-group-9"}', 'its schema is not'),
        ('{"schema": "mmatlas-group-1"}', 'missing'),
    ],
)
def test_a_damaged_group(tmp_path, text, message):
    (tmp_path / 'group.json').write_text(text)
    with pytest.raises(UserError, match=f'cannot be read as a group: .*{message}'):
        read_group(tmp_path)


def test_a_metric_that_one_run_lacks_is_said(tmp_path):
    group = Group('repeat', 'a.py', ['seed_0', 'seed_1'], [0, 1], '')
    for seed, score in enumerate((90, math.nan)):
        write_log(tmp_path / f'seed_{seed}', (80, score), 2)
    group.take(tmp_path, group.members)
    last = group.last['accuracy/top1']
    assert (last['values'], last['mean'], last['std']) == ([90, None], 90, None)
    assert any('unknown (1 of 2 have no value)' in line for line in group.lines())


def test_the_best_of_a_run_that_counts_iterations(tmp_path):
    session = tmp_path / 'seed_0/20260131_120000'
    (session / 'vis_data').mkdir(parents=True)
    lines = []
    for iteration, score in ((40, 70), (90, 90), (140, 80)):
        # logged each 10 iterations, validated each 50 + 5
        lines += [dict(loss=1.0, iter=iteration), {'accuracy/top1': score, 'step': 0}]
    (session / 'vis_data/scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    record = dict(schema='mmatlas-run-1', version='0', config='a.py', task='a')
    record.update(
        model='A',
        unit='iter',
        best={'accuracy/top1': dict(score=90, at=95, checkpoint='best.pth')},
    )
    (tmp_path / 'seed_0/run.json').write_text(json.dumps(record))
    group = Group('repeat', 'a.py', ['seed_0', 'seed_1'], [0, 1], '')
    group.take(tmp_path, ['seed_0'])
    assert group.metrics['accuracy/top1']['values'] == [90]
    assert group.last['accuracy/top1']['values'] == [80]


def test_values_of_many_members_are_left_to_the_file(tmp_path):
    members = [f'seed_{i}' for i in range(7)]
    group = Group('repeat', 'a.py', members, list(range(7)), '')
    for i, name in enumerate(members):
        write_log(tmp_path / name, (50, 60 + i), 2)
    group.take(tmp_path, members)
    assert not any('seed_3' in line for line in group.lines())


def in_child(code):
    """The message on stderr and the status of a child of :class:`Members`."""
    env = {**os.environ, 'CHILD': code}
    program = (
        'import os, sys; import projects.core.member as m; '
        'from projects.core.cli import run_tool\n'
        'm.subprocess.Popen, popen = (lambda command, **kw: popen('
        '[sys.executable, "-c", os.environ["CHILD"]], **kw)), m.subprocess.Popen\n'
        'def go():\n'
        '    members = m.Members()\n'
        '    with members.signals():\n'
        '        members.run("seed_1", {}, {})\n'
        '    print("done")\n'
        'run_tool(go)'
    )
    return subprocess.Popen(
        [sys.executable, '-c', program],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


TOOL = 'from projects.core.cli import run_tool; from projects.core.errors import *\n'


@pytest.mark.parametrize(
    ('code', 'status', 'message'),
    [
        ('', 0, ''),
        (
            f'{TOOL}def f(): raise UserError("no data")\nrun_tool(f)',
            1,
            'error: seed_1: no data\n',
        ),
        (
            'import os; os.kill(os.getpid(), 9)',
            1,
            'error: seed_1 was ended by SIGKILL, as the system does where memory runs '
            'out; --resume goes on\n',
        ),
        ('import os; os.kill(os.getpid(), 15)', 143, ''),
        (
            f'{TOOL}def f(): raise KeyboardInterrupt\nrun_tool(f)',
            130,
            '\ninterrupted\n',
        ),
        ('raise SystemExit(143)', 143, ''),
    ],
)
def test_how_a_member_ended(code, status, message):
    process = in_child(code)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (status, message)


@pytest.mark.parametrize(
    ('number', 'status', 'message'),
    [(signal.SIGINT, 130, '\ninterrupted\n'), (signal.SIGTERM, 143, '')],
)
def test_a_signal_reaches_the_member(number, status, message, tmp_path):
    process = in_child(
        f'import time; open({str(tmp_path / "began")!r}, "w"); time.sleep(60)'
    )
    while not (tmp_path / 'began').exists():
        time.sleep(0.01)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    if number == signal.SIGINT:  # of the child, which is plain Python
        error = error[error.index('\ninterrupted') :]
    assert (process.returncode, error) == (status, message)
