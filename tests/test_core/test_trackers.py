"""Curves for TensorBoard and other trackers, which never end a run."""

import json
import struct
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.visualization import TensorboardVisBackend
from test_iteration_runs import log
from toy_runs import LANGUAGE

from projects.core.engine import train
from projects.core.engine.trackers import set_up_trackers
from projects.core.errors import UserError
from projects.core.variants import config_root

LENET = f"""
_base_ = '{config_root()}/lenet/lenet5-modern_1xb64-20e_digits.py'
train_cfg = dict(max_epochs=2, val_interval=1)
param_scheduler = []
default_hooks = dict(logger=dict(interval=10))
train_dataloader = dict(num_workers=0)
val_dataloader = dict(num_workers=0)
"""


@pytest.fixture
def write(tmp_path, fresh):
    def call(text):
        (tmp_path / 'toy.py').write_text(text)
        return 'toy.py'

    return call


def curves(folder='run/tensorboard'):
    """Of TensorBoard: by tag the steps and the values."""
    accumulator = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator'
    )
    events = accumulator.EventAccumulator(folder, {'scalars': 0}).Reload()
    return {
        tag: {event.step: event.value for event in events.Scalars(tag)}
        for tag in events.Tags()['scalars']
    }


def lines():
    """Of the run's own file of scalars."""
    (file,) = Path('run').rglob('vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_classifier(write):
    runner = train(write(LENET), 'run', tensorboard=True)
    found = curves()
    length = len(runner.train_dataloader)
    # training and validation over iterations, epochs though the run counts
    assert list(found['accuracy/top1']) == [length, 2 * length]
    assert min(found['loss']) == 10
    assert max(found['loss']) <= 2 * length
    own = [row['accuracy/top1'] for row in lines() if 'accuracy/top1' in row]
    assert list(found['accuracy/top1'].values()) == pytest.approx(own)
    assert set(found['val/time']).isdisjoint(found['time'])
    # the run's own file counts as ever, for its reports
    assert [row['step'] for row in lines() if 'accuracy/top1' in row] == [1, 2]


def test_detector(write_config):
    runner = train(write_config(), 'run', tensorboard=True)
    found, length = curves(), len(runner.train_dataloader)
    assert list(found['coco/bbox_mAP']) == [length, 2 * length]
    assert list(found['loss']) == list(range(1, 2 * length + 1))


def test_language_model_and_its_resume(write, fresh):
    config = write(LANGUAGE)
    train(config, 'run', tensorboard=True, cfg_options=['train_cfg.max_iters=8'])
    fresh()
    train(config, 'run', tensorboard=True, resume=True)
    found = curves()  # in one folder
    assert list(found['perplexity']) == [4, 8, 12, 16, 20]
    assert list(found['loss']) == list(range(1, 21))


def test_tracker_that_fails_is_left_out(write, monkeypatch):
    def fail(*args, **kwargs):
        raise ConnectionError('no route')

    monkeypatch.setattr(TensorboardVisBackend, 'add_scalars', fail)
    runner = train(write(LANGUAGE), 'run', tensorboard=True)
    assert runner.iter == 20
    text = log('run')
    warning = 'TensorboardVisBackend failed and is left out from here on: Connection'
    assert text.count(warning) == 1


def test_tracker_that_cannot_begin(write, monkeypatch, error_of):
    def fail(self):
        raise ConnectionError('no route')

    monkeypatch.setattr(TensorboardVisBackend, '_init_env', fail)
    error = error_of(train, write(LANGUAGE), 'run', tensorboard=True)
    assert 'TensorboardVisBackend cannot begin: ConnectionError: no route' in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ('extra', 'tensorboard', 'package', 'who'),
    [
        ('', True, 'tensorboard', '--tensorboard'),
        (
            "visualizer = dict(vis_backends=[dict(type='WandbVisBackend')])",
            False,
            'wandb',
            'WandbVisBackend',
        ),
        (
            "visualizer = dict(vis_backends=dict(type='mmengine.MLflowVisBackend'))",
            False,
            'mlflow',
            'MLflowVisBackend',
        ),
    ],
)
def test_package_is_missing(
    write, error_of, monkeypatch, extra, tensorboard, package, who
):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name, *rest: None if name == package else find(name, *rest),
    )
    error = error_of(train, write(LANGUAGE + extra), 'run', tensorboard=tensorboard)
    assert error == (
        f'{who} needs the package {package}, which is not installed: pip install '
        + package.replace('mlflow', 'mlflow-skinny')
    )
    assert not Path('run').exists()


def test_local_backend_is_always_there():
    cfg = Config(
        dict(work_dir='run', visualizer=dict(vis_backends=dict(type='X', a=1)))
    )
    set_up_trackers(cfg, True)
    types = [backend['type'] for backend in cfg.visualizer.vis_backends]
    assert types == [
        'mmengine.LocalVisBackend',
        'X',
        'mmengine.TensorboardVisBackend',
    ]
    assert cfg.visualizer.type == 'mmengine.Visualizer'
    without = Config(dict(work_dir='run'))
    set_up_trackers(without, False)
    assert 'visualizer' not in without


@pytest.mark.parametrize('backends', [3, ['TensorboardVisBackend']])
def test_backends_that_are_none(backends):
    cfg = Config(dict(work_dir='run', visualizer=dict(vis_backends=backends)))
    with pytest.raises(UserError, match=r'vis_backends: a list of settings.*, not '):
        set_up_trackers(cfg, True)


@pytest.mark.slow
def test_wandb_offline(write, monkeypatch):
    pytest.importorskip('wandb')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('WANDB_SILENT', 'true')
    backend = "dict(type='WandbVisBackend', init_kwargs=dict(project='toy'))"
    extra = f'visualizer = dict(vis_backends=[{backend}])'
    runner = train(write(LANGUAGE + extra), 'run')
    assert runner.iter == 20
    assert 'left out' not in log('run')
    (file,) = Path('run').rglob('offline-run-*/*.wandb')
    rows = history(file)
    assert [row['_step'] for row in rows if 'perplexity' in row] == [4, 8, 12, 16, 20]
    assert [row['_step'] for row in rows if 'loss' in row] == list(range(1, 21))


def history(file):
    """Rows of a run that wandb has written to a file, a log of LevelDB's format."""
    from wandb.proto import wandb_internal_pb2

    data, rows, record, at = file.read_bytes(), [], b'', 7
    while at < len(data):
        if 32768 - at % 32768 < 7:  # the rest of a block
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack('<IHB', data[at : at + 7])
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            message = wandb_internal_pb2.Record()
            message.ParseFromString(record)
            record = b''
            rows += [message.history] if message.HasField('history') else []
    return [
        {
            item.key or '/'.join(item.nested_key): json.loads(item.value_json)
            for item in row.item
        }
        for row in rows
    ]


@pytest.mark.slow
def test_mlflow_in_a_folder(write):
    mlflow = pytest.importorskip('mlflow')
    extra = """
visualizer = dict(vis_backends=[dict(type='MLflowVisBackend')])
val_evaluator['name'] = 'perplexity@1'
"""
    runner = train(write(LANGUAGE + extra), 'run')
    assert runner.iter == 20
    assert 'left out' not in log('run')
    # MLflow takes no @ in a name
    (metric,) = Path('run').rglob('metrics/perplexity_1')
    steps = [int(line.split()[2]) for line in metric.read_text().splitlines()]
    assert steps == [4, 8, 12, 16, 20]
    mlflow.end_run()
