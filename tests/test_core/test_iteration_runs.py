"""Runs that count iterations: what is drawn, resumed, validated and logged."""

import json
import pickle
import re
from pathlib import Path

import mmengine.runner.loops
import pytest
import torch
from mmengine.hooks import CheckpointHook, Hook
from toy_runs import LANGUAGE, ToyTexts

from projects.core.engine import train
from projects.core.engine.seeding import BATCH, SeededSampler
from projects.core.errors import UserError
from projects.core.metric_names import rule_of
from projects.core.variants import config_root
from projects.core.weights import read_checkpoint
from projects.registry import HOOKS

EPOCHS = """
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=1)
train_dataloader['sampler'] = dict(type='DefaultSampler', shuffle=True)
default_hooks['checkpoint'].update(by_epoch=True, interval=1)
log_processor = dict(by_epoch=True)
"""


@HOOKS.register_module()
class KilledAtHook(Hook):
    """Ends a run as a kill does, after the saving of an iteration."""

    priority = 'LOWEST'

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            raise InterruptedError


@pytest.fixture
def write(tmp_path, fresh):
    """Function that writes a run config, with a kill or without."""

    def call(extra='', killed_at=None):
        if killed_at is not None:
            extra += f"""
custom_hooks = [*_base_.custom_hooks,
                dict(type='projects.KilledAtHook', iteration={killed_at})]
"""
        path = tmp_path / 'toy.py'
        path.write_text(LANGUAGE + extra)
        return str(path)

    return call


def rows(work_dir, key='loss'):
    """Values of a run by step, the restarted ones over the first."""
    found = {}
    for file in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if key in row:
                found[row['step']] = row[key]
    return found


def log(work_dir):
    return ''.join(f.read_text() for f in sorted(Path(work_dir).glob('*/*.log')))


def assert_same(work_dir, other, last):
    for key in ('loss', 'lr', 'perplexity', 'grad_norm'):
        assert rows(work_dir, key) == rows(other, key)
    states = [read_checkpoint(f'{d}/{last}') for d in (work_dir, other)]
    a, b = (s['state_dict'] for s in states)
    assert all(torch.equal(a[k], b[k]) for k in a)
    a, b = (s['message_hub']['runtime_info'] for s in states)
    assert a['best_score'] == b['best_score']


# it goes on from the 8th, which was saved before the kill; its validation was or
# was not
@pytest.mark.parametrize(
    ('killed_at', 'loader'),
    [
        (10, ''),
        (8, ''),
        (8, 'num_workers=1'),
        (10, 'num_workers=2, persistent_workers=True'),
    ],
)
def test_resumed_run_is_the_uninterrupted_one(write, fresh, killed_at, loader):
    extra = f'\ntrain_dataloader.update({loader})\n'
    train(write(extra), 'whole')
    fresh()
    with pytest.raises(InterruptedError):
        train(write(extra, killed_at), 'resumed')
    assert max(rows('resumed')) == killed_at
    validated = sorted(rows('resumed', 'perplexity'))
    assert validated == ([4, 8] if killed_at == 10 else [4])
    fresh()
    train(write(extra), 'resumed', resume=True)
    assert sorted(rows('resumed', 'perplexity')) == [4, 8, 12, 16, 20]
    assert len(set(rows('whole').values())) == 20
    assert_same('resumed', 'whole', 'iter_20.pth')
    cut_off = 'validation of iter 8, which the checkpoint was saved before'
    assert log('resumed').count(cut_off) == (killed_at == 8)


@pytest.mark.parametrize('extra', ['', EPOCHS])
def test_workers_change_no_number(write, fresh, extra):
    last = 'epoch_4.pth' if extra else 'iter_20.pth'
    for i, loader in enumerate(['', 'num_workers=2, persistent_workers=True']):
        train(write(f'{extra}\ntrain_dataloader.update({loader})\n'), f'run {i}')
        fresh()
    assert len(set(rows('run 0').values())) >= 20
    assert_same('run 0', 'run 1', last)


def test_epochs_of_persistent_workers_are_resumed(write, fresh):
    extra = f"""{EPOCHS}
train_dataloader.update(num_workers=2, persistent_workers=True)
"""
    train(write(extra), 'whole')
    fresh()
    with pytest.raises(InterruptedError):  # 7 iterations an epoch
        train(write(extra, 16), 'resumed')
    fresh()
    train(write(extra), 'resumed', resume=True)
    assert len(set(rows('whole').values())) == 28
    assert_same('resumed', 'whole', 'epoch_4.pth')


@pytest.mark.parametrize('num_workers', [0, 1])
def test_finite_sampler_goes_on_in_the_right_epoch(
    write, fresh, monkeypatch, num_workers
):
    # 7 iterations an epoch, the last of two samples: killed in the second
    monkeypatch.setattr(mmengine.runner.loops.time, 'sleep', lambda seconds: None)
    extra = f"""
train_dataloader['sampler'] = dict(type='DefaultSampler', shuffle=True)
train_dataloader['num_workers'] = {num_workers}
"""
    train(write(extra), 'whole')
    fresh()
    with pytest.raises(InterruptedError):
        train(write(extra, 13), 'resumed')
    fresh()
    train(write(extra), 'resumed', resume=True)
    assert_same('resumed', 'whole', 'iter_20.pth')


def test_each_pass_over_the_data_draws_other_noise(write):
    extra = """
train_dataloader['dataset']['size'] = 3
train_dataloader['sampler']['shuffle'] = False
optim_wrapper['optimizer']['lr'] = 0
param_scheduler = []
"""
    train(write(extra), 'run')  # the same three texts, no learning
    assert len(set(rows('run').values())) == 20


def test_resume_loads_none_of_the_data_that_were_seen(write, fresh, monkeypatch):
    with pytest.raises(InterruptedError):
        train(write(killed_at=18), 'run')
    fresh()
    loaded = []
    get = ToyTexts.__getitem__

    def count(self, index):
        loaded.append(self.noisy)
        return get(self, index)

    monkeypatch.setattr(ToyTexts, '__getitem__', count)
    train(write(), 'run', resume=True)
    assert loaded.count(True) == 3 * 4  # a batch for each of iterations 17 to 20


def test_batch_is_that_of_its_place_in_any_process():
    dataset = ToyTexts()
    sampler = SeededSampler(dataset, dict(type='InfiniteSampler'), seed=3)
    stream = iter(sampler)
    first, second = ([next(stream) for _ in range(4)] for _ in range(2))
    assert [draw.key for draw in second] == [(3, BATCH, 0, 0, i) for i in range(4, 8)]
    spawned, sent = pickle.loads(pickle.dumps((dataset, second)))

    def texts(of, batch):
        return torch.stack([sample['tokens'] for sample in of.__getitems__(batch)])

    expected = texts(dataset, second)
    texts(dataset, first)  # what was drawn before is no matter
    assert torch.equal(texts(dataset, second), expected)
    assert torch.equal(texts(spawned, sent), expected)
    # another place of the same samples has other noise
    for draw in second:
        draw.key = (*draw.key[:-1], draw.key[-1] + 1)
    assert not torch.equal(texts(dataset, second), expected)


def test_validation_interval_that_changes_is_that_of_the_step(write, fresh):
    # every 4 iterations until the 10th, then every 8
    extra = """
train_cfg['dynamic_intervals'] = [(10, 8)]
default_hooks['checkpoint']['interval'] = 6
"""
    with pytest.raises(InterruptedError):
        train(write(extra, 13), 'run')
    fresh()
    train(write(extra), 'run', resume=True)  # from 12, which 4 divides
    assert sorted(rows('run', 'perplexity')) == [4, 8, 16, 20]


@pytest.mark.parametrize(
    ('metric', 'rule'),
    [
        ('perplexity', 'less'),
        ('text/ppl', 'less'),
        ('val_loss', 'less'),
        ('nll', 'less'),
        ('bits_per_character', 'less'),
        ('lm/bpc', 'less'),
        ('FrechetInceptionDistance', 'less'),
        ('fid50k', 'less'),
        ('top1_error', 'less'),
        ('MAE', 'less'),
        ('mape', 'less'),  # no mAP
        ('speech/WER', 'less'),
        ('cer', 'less'),
        ('loss/accuracy', 'greater'),
        ('accuracy/top1', 'greater'),
        ('coco/bbox_mAP', 'greater'),
        ('coco/AR@100', 'greater'),
        ('single-label/f1-score', 'greater'),
        ('inception_score', 'greater'),
        ('translation/exact_match', 'greater'),
        ('translation/bleu', 'greater'),
        ('language/bits_per_byte', 'less'),
        ('masked/next_sentence_acc', 'greater'),
        ('mismatch', None),  # no match
        ('power', None),  # no WER
        ('stopped', None),  # no top-1
        ('loveliness', None),
    ],
)
def test_rule_of_a_metric(metric, rule):
    assert rule_of(metric) == rule


@pytest.mark.parametrize(
    ('name', 'extra', 'best'),
    [
        ('perplexity', '', min),
        ('accuracy', '', max),
        ('accuracy', "rule='less'", min),
        ('loveliness', "rule='greater'", max),
        ('loveliness', "less_keys=('love',)", min),
    ],
)
def test_best_checkpoint_is_that_of_the_better_value(write, name, extra, best):
    train(
        write(f"""
val_evaluator['name'] = '{name}'
default_hooks['checkpoint'].update({extra})
""")
    )
    values = rows('work_dirs/toy', name)
    assert len(set(values.values())) == 5
    step = best(values, key=values.get)
    file = f'work_dirs/toy/best_{name}_iter_{step}.pth'
    assert list(Path('work_dirs/toy').glob('best_*')) == [Path(file)]
    assert f'best {name} {values[step]:.4f}: {file}\n' in log('work_dirs/toy')


def test_metric_of_unknown_direction_keeps_no_best(write):
    train(write("\nval_evaluator['name'] = 'loveliness'\n"), 'run')
    text = log('run')
    assert text.count("more or less of 'loveliness' is better is not known") == 1
    assert "rule='less' or 'greater'" in text
    assert not list(Path('run').glob('best_*'))
    assert len(rows('run', 'loveliness')) == 5
    assert text.splitlines()[-1].endswith('last checkpoint: run/iter_20.pth')


def test_best_line_after_a_resume_without_a_validation(write, fresh):
    runner = train(write(), 'run')
    best = runner.message_hub.get_info('best_score')
    fresh()
    train(write(), 'run', resume=True)  # it had ended
    lines = log('run').splitlines()
    assert re.search(rf'best perplexity {best:.4f}: run/best_perplexity_', lines[-1])


@pytest.mark.parametrize(
    ('checkpoint', 'message'),
    [
        ("save_best='loveliness'", "more or less of 'loveliness' is better is not"),
        ("save_best='fid'", "no validation gives 'fid', but perplexity"),
        ("rule='lower'", "rule: 'less' or 'greater', not 'lower'"),
        ('intervl=3', "CheckpointHook takes no 'intervl'"),
    ],
)
def test_mistakes_in_save_best(write, error_of, checkpoint, message):
    config = write(f"\ndefault_hooks['checkpoint'].update({checkpoint})\n")
    assert message in error_of(train, config, 'run').splitlines()[0]


def test_lines_of_the_log(write, pages):
    runner = train(write(), 'run')
    lines = [
        line.partition(' - INFO - ')[2]
        for line in log('run').splitlines()
        if ' - INFO - ' in line
    ]
    opening = next(line for line in lines if line.startswith('training '))
    # 8 * 6 + 2 * (6 * 6 + 6) + 6 * 8 + 8 = 188
    assert opening.endswith(
        'toy.py: ToyLanguageModel, 0.00 M parameters, on 20 samples of ToyTexts, '
        f'20 iterations, seed 0, on 1 x {next(runner.model.parameters()).device.type}'
    )
    assert any(re.match(r'Iter\(train\) \[ 7/20\]  lr: ', line) for line in lines)
    assert any(
        re.match(r'Iter\(val\) \[4/4\]  +perplexity: \d', line) for line in lines
    )
    assert re.fullmatch(r'trained in 0:0\d:\d\d', lines[-3])
    assert lines[-2].startswith('best perplexity ')
    assert lines[-1] == 'page: run/report.html'
    assert sorted(p.name for p in Path('run').glob('iter_*')) == [
        'iter_16.pth',
        'iter_20.pth',
    ]


STREAM = """
train_dataloader.update(sampler=None, dataset=dict(type='projects.ToyStream'))
val_dataloader = val_evaluator = val_cfg = None
"""


def test_data_without_a_length(write):
    train(write(f'{STREAM}\nparam_scheduler = []\n'), 'run')
    assert ', on a stream of samples of ToyStream, 20 iterations' in log('run')
    assert len(rows('run')) == 20
    assert log('run').splitlines()[-1].endswith('last checkpoint: run/iter_20.pth')


def test_schedule_of_data_without_a_length(write, error_of):
    error = error_of(train, write(STREAM), 'run')
    assert re.match('param_scheduler: .* and ToyStream has none; give it a', error)


def test_iterations_share_the_runtime_of_epochs():
    from mmengine.config import Config

    epochs, iterations = (
        Config.fromfile(config_root() / f'_base_/{name}_runtime.py')
        for name in ('default', 'iter')
    )
    for key in ('custom_hooks', 'custom_imports', 'env_cfg', 'randomness'):
        assert epochs[key] == iterations[key]
    hook = iterations.default_hooks.checkpoint
    assert (hook.by_epoch, hook.save_best, hook.max_keep_ckpts) == (False, 'auto', 2)
    assert issubclass(HOOKS.get(hook.type), CheckpointHook)


def test_fine_tuning_of_a_model_without_backbone(write, fresh):
    train(write(), 'run')
    fresh()
    extra = """
model['num_tokens'] = 11
load_from = 'run/iter_20.pth'
"""
    train(write(extra), 'tuned')
    assert re.search(
        r'left out +3 .* embedding\.weight \(11, 6\): the file has \(8, 6\)',
        log('tuned'),
    )
    fresh()
    with pytest.raises(UserError) as error:
        train(write(f"{extra}\nmodel['num_layers'] = 2\n"), 'other')
    text = str(error.value)
    assert 'layers.1.weight (6, 6) | missing' in text
    assert text.endswith('; only its head may differ: embedding, decoder.out')
