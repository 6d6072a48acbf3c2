"""A run that ends where its validations no longer get better."""

import math
from pathlib import Path

import pytest
from mmengine.evaluator import BaseMetric
from test_iteration_runs import log
from toy_runs import LANGUAGE

from projects.core.engine import repeat, train
from projects.core.engine.patience import PatienceHook
from projects.core.reports.record import read_record
from projects.core.weights import read_checkpoint
from projects.registry import METRICS

SCORES = []


@METRICS.register_module()
class ScriptedMetric(BaseMetric):
    """The next of the scores that a test has prepared."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {self.name: SCORES.pop(0)}


@pytest.fixture
def run(tmp_path, fresh):
    """Function that trains with prepared scores, a validation each 4 iterations."""

    def call(scores, name='accuracy', extra='', **options):
        SCORES[:] = scores
        path = tmp_path / 'toy.py'
        metric = f"val_evaluator = dict(type='projects.ScriptedMetric', name='{name}')"
        path.write_text(LANGUAGE + f'\n{metric}\n{extra}\n')
        return train(str(path), 'run', **options)

    return call


@pytest.mark.parametrize(
    ('name', 'scores', 'last'),
    [
        ('accuracy', [1, 2, 2, 1.5, 9], 16),  # as good as before is no better
        ('loss', [3, 2, 4, 5, 0], 16),  # less is better
        ('accuracy', [1, 2, 1, 3, 1], 20),  # never two in a row
        ('accuracy', [math.nan, math.nan, 1, 1, 1], 8),
    ],
)
def test_end_by_the_rule_of_the_metric(run, name, scores, last):
    runner = run(scores, name, patience=2)
    assert runner.iter == last
    assert Path(f'run/iter_{last}.pth').is_file()


def test_the_option_takes_the_place_of_the_config_s_hook(run):
    hook = "dict(type='projects.PatienceHook', patience=1)"
    extra = f'custom_hooks = [*_base_.custom_hooks, {hook}]'
    assert run([1, 1, 1, 1, 1], extra=extra, patience=2).iter == 12


def test_log_and_record_say_why(run):
    run([1, 2, 2, 2, 9], patience=2)
    reason = (
        'stopped early at iter 16: accuracy has not improved on 2.0000 of iter 8 in 2 '
        'validations'
    )
    assert f'{reason}\n' in log('run')
    assert 'best accuracy 2.0000: run/best_accuracy_iter_8.pth' in log('run')
    record = read_record('run')
    assert record.stopped_early == reason
    assert record.end == 'finished'
    assert record.command[-2:] == ['--patience', '2']


def test_resume_stays_stopped_and_a_greater_patience_goes_on(run, fresh):
    run([1, 2, 2, 2], patience=2)
    fresh()
    runner = run([], patience=2, resume=True)
    assert runner.iter == runner.resumed_at == 16
    assert 'nothing was left to train; a greater --patience goes on' in log('run')
    fresh()
    assert run([2], patience=3, resume=True).iter == 20


def test_resume_counts_what_was_before(run, fresh, monkeypatch):
    """Killed after the third of four validations: one of the two was waited for."""
    with pytest.raises(IndexError):
        run([1, 2, 2], patience=2)  # there is no fourth score
    state = read_checkpoint('run/iter_16.pth')['message_hub']['runtime_info']
    assert state['patience'] == dict(best=2, at=8, waited=1)
    fresh()
    # the validation that was cut off is repeated
    assert run([2, 9], patience=2, resume=True).iter == 16


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (
            'val_dataloader = val_evaluator = val_cfg = None',
            '--patience 2: the config validates nothing',
        ),
        (
            "default_hooks['checkpoint']['save_best'] = None",
            '--patience 2: default_hooks.checkpoint.save_best names no metric',
        ),
    ],
)
def test_nothing_to_wait_for(tmp_path, fresh, error_of, extra, message):
    (tmp_path / 'toy.py').write_text(LANGUAGE + extra)
    assert error_of(train, 'toy.py', 'run', patience=2).startswith(message)


def test_refused_values(fresh, error_of):
    with pytest.raises(ValueError, match='patience: a whole number of at least 1'):
        PatienceHook(0)
    assert error_of(train, 'toy.py', patience=0).startswith('patience: a whole number')


def test_members_of_a_group_get_it(tmp_path, fresh, monkeypatch):
    from projects.core.member import Members

    given = []

    def note(self, name, options, environment):
        given.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Members, 'run', note)
    (tmp_path / 'toy.py').write_text(LANGUAGE)
    with pytest.raises(KeyboardInterrupt):
        repeat('toy.py', 2, 'runs', patience=3, tensorboard=True)
    assert given[0]['patience'] == 3
    assert given[0]['tensorboard'] is True
