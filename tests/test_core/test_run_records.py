"""What a run writes about itself while it trains."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest
from mmengine.hooks import Hook
from test_iteration_runs import EPOCHS, log
from test_stopped_runs import with_sigterm
from toy_runs import LANGUAGE, PLAYERS

from projects.core.engine import train
from projects.core.engine.record_hook import RecordHook
from projects.core.engine.step_times import StepTimesHook
from projects.core.errors import UserError
from projects.core.reports.record import read_record
from projects.registry import HOOKS

HERE = Path(__file__).parent
# an epoch of 20 texts has 7 steps of 3, its validation 4 batches of 5
CONFIG = LANGUAGE + EPOCHS + "train_cfg['max_epochs'] = 2\n"


@HOOKS.register_module()
class CtrlCHook(Hook):
    """Someone at the keyboard, in the middle of a step."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 9:
            raise KeyboardInterrupt


@pytest.fixture
def write(tmp_path, fresh):
    def call(extra='', config=CONFIG):
        path = tmp_path / 'toy.py'
        path.write_text(config + extra)
        return str(path)

    return call


def test_a_run_tells_what_it_was(write):
    options = ['train_dataloader.batch_size=4', 'train_cfg.max_epochs=3']
    train(write(), 'run', seed=5, cfg_options=options)
    record = read_record('run')
    assert record.model == 'ToyLanguageModel'
    assert record.task == 'a model of no known kind'
    assert record.config == record.command[2]
    assert record.command[:2] == ['python', 'tools/train.py']
    assert record.command[3:] == [
        *('--work-dir', 'run', '--seed', '5', '--cfg-options'),
        *options,
    ]
    assert record.cfg_options == options
    assert (record.seed, record.world_size, record.batch_size) == (5, 1, 4)
    assert (record.unit, record.length, record.epoch_length) == ('epoch', 3, 5)
    assert dict(key='train_dataloader.batch_size', base=None, value='4') in (
        record.overrides
    )
    assert dict(key='log_processor.by_epoch', base='False', value='True') in (
        record.overrides
    )
    assert record.environment['python'] == sys.version.split()[0]
    assert record.data['train'] == dict(type='ToyTexts', size=20, checksum=None)
    # 8 x 6 embedding, two linear layers of 6 to 6, one of 6 to 8
    assert record.parameters == record.trainable == 48 + 2 * 42 + 56
    assert record.macs == 4 * (36 + 36 + 48)  # of 4 tokens
    assert record.step_flops == 4 * (2 * 480 * 3)  # as much for either gradient
    assert record.times['train'].keys() == {
        *('data', 'forward', 'loss', 'backward', 'optimiser'),
    }
    assert record.times['predict'].keys() == {'data', 'forward', 'decode'}
    assert record.throughput['train'] > 0 < record.throughput['predict']
    assert record.memory['peak_rss'] > 2**26
    (session,) = record.sessions
    assert (session['first_iter'], session['last_iter']) == (0, 15)
    assert session['end'] == 'finished'
    assert session['seconds'] > 0
    (best,) = record.best.values()
    assert Path('run', best['checkpoint']).is_file()
    assert best['checkpoint'].endswith(f'_{best["at"]}.pth')


def test_a_resumed_run_goes_on_with_its_record(write, fresh):
    train(write("train_cfg['max_epochs'] = 1\n"), 'run')
    first = read_record('run')
    fresh()
    train(write(), 'run', resume=True)
    record = read_record('run')
    assert [s['end'] for s in record.sessions] == ['finished', 'finished']
    assert [s['first_iter'] for s in record.sessions] == [0, 7]
    assert record.sessions[0] == first.sessions[0]
    assert record.sessions[1]['last_iter'] == 14
    assert record.started == first.started
    assert record.length == 2
    assert '--resume' not in record.command


@pytest.mark.parametrize(
    ('extra', 'ending', 'done'),
    [
        (with_sigterm('step', 10), SystemExit, 9),
        (with_sigterm('validation', 2), SystemExit, 7),
        (
            """
custom_hooks = [*_base_.custom_hooks, dict(type='projects.CtrlCHook')]
""",
            KeyboardInterrupt,
            9,
        ),
    ],
)
def test_a_stopped_run_says_so(write, extra, ending, done):
    with pytest.raises(ending):
        train(write(extra), 'run')
    record = read_record('run')
    assert record.end == 'stopped'
    assert record.sessions[0]['last_iter'] == done


@pytest.mark.parametrize(
    'extra',
    [
        "model['type'] = 'projects.NoSuchModel'\n",
        "train_cfg['max_epochs'] = 0\n",
        "load_from = 'nowhere.pth'\n",
    ],
)
def test_a_run_that_is_refused_writes_nothing(write, extra):
    with pytest.raises(UserError):
        train(write(extra), 'run')
    assert not list(Path().rglob('run.json'))


def test_another_file_of_that_name_stays(write):
    Path('run').mkdir()
    Path('run/run.json').write_text('{"mine": 1}')
    train(write(), 'run')
    assert json.loads(Path('run/run.json').read_text()) == {'mine': 1}
    assert log('run').count('/run/run.json is there already and was not made') == 1
    assert Path('run/epoch_2.pth').is_file()


def test_a_full_disk_ends_no_run(write, monkeypatch):
    replace = os.replace

    def replace_or_fail(old, new):
        if str(new).endswith('run.json'):
            raise OSError(errno.ENOSPC, 'No space left on device')
        replace(old, new)

    monkeypatch.setattr(os, 'replace', replace_or_fail)
    train(write(), 'run')
    assert log('run').count('run.json cannot be written to: No space left') == 1
    assert not Path('run/run.json').exists()
    assert Path('run/epoch_2.pth').is_file()


def test_whatever_goes_wrong_with_it_is_a_warning(write, monkeypatch):
    monkeypatch.setattr('projects.core.engine.record_hook.environment', lambda: 1 / 0)
    train(write(), 'run')
    assert 'no record of the run: ZeroDivisionError' in log('run')
    assert not Path('run/run.json').exists()


def test_parts_of_a_step_of_its_own(write):
    train(write("train_cfg['max_iters'] = 6\n", PLAYERS), 'run')
    record = read_record('run')
    assert record.unit == 'iter'
    assert record.times.keys() == {'train'}
    assert record.times['train'].keys() == {
        *('data', 'forward', 'rest', 'backward', 'optimiser'),
    }
    assert record.macs is None


def test_a_run_without_the_hooks_has_the_same_numbers(write, fresh, monkeypatch):
    def losses(work_dir):
        (file,) = Path(work_dir).glob('*/vis_data/scalars.json')
        rows = map(json.loads, file.read_text().splitlines())
        return [(row.get('loss'), row.get('perplexity')) for row in rows]

    train(write(), 'with')
    fresh()
    monkeypatch.setattr(StepTimesHook, 'before_train', lambda *_: None)
    monkeypatch.setattr(RecordHook, 'before_train', lambda *_: None)
    train(write(), 'without')
    assert not Path('without/run.json').exists()
    assert losses('with') == losses('without')


@pytest.mark.slow
def test_of_two_processes_one_writes(write, train_in_two):
    imports = "custom_imports = dict(imports=['projects', 'toy_runs'])\n"
    train_in_two(write(imports), 'run', 2, HERE)
    record = read_record('run')
    assert (record.world_size, record.batch_size) == (2, 4)
    assert record.command[:1] == ['tools/dist_train.sh']
    assert record.command[2] == '2'
    assert len(record.sessions) == 1
    assert record.end == 'finished'
    assert 'no record' not in log('run')
