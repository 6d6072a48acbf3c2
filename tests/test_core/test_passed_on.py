"""A variable that is changed and reaches nothing is an error; one passed on is not."""

import pytest

from projects.core.config import config_notices, load_config
from projects.core.engine import evaluate, train
from projects.core.errors import UserError
from projects.core.variants import config_root

BASE = """
input_size = (8, 8)
train_pipeline = [dict(type='Load'), dict(type='Resize', scale=input_size)]
test_pipeline = [dict(type='Load'), dict(type='Resize', scale=input_size)]
folder = 'a/'
parts = [dict(type='Set', split=s) for s in ('train', 'val')]
train_dataloader = dict(
    batch_size=4, dataset=dict(data_root=folder, pipeline=train_pipeline))
val_dataloader = dict(batch_size=4, dataset=dict(
    datasets=[{**part, 'root': folder} for part in parts], pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', file=folder + 'val.json')
test_evaluator = val_evaluator
max_epochs = 20
train_cfg = dict(by_epoch=True, max_epochs=max_epochs)
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, end=100),
    dict(type='MultiStepLR', milestones=[10, 15], end=max_epochs),
]
custom_hooks = [dict(type='projects.SeedHook'), dict(type='NonFiniteLossHook')]
"""
LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'
CONFIGS = sorted(map(str, config_root().rglob('*.py')))
NEW = "[dict(type='PackInputs')]"


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Function that writes a config over ``BASE``, and returns its path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'base.py').write_text(BASE)

    def write(text):
        (tmp_path / 'child.py').write_text(f"_base_ = './base.py'\n{text}\n")
        return 'child.py'

    return write


TO_TRAIN = 'train_dataloader = dict(dataset=dict(pipeline=train_pipeline))'
TO_VAL = 'val_dataloader = dict(dataset=dict(pipeline=test_pipeline))'
TO_TEST = 'test_dataloader = dict(dataset=dict(pipeline=test_pipeline))'


@pytest.mark.parametrize(
    ('text', 'fixes'),
    [
        (f'train_pipeline = {NEW}', [TO_TRAIN]),
        ('_base_.train_pipeline.pop(1)', [TO_TRAIN]),
        (
            "train_pipeline = _base_.train_pipeline\ntrain_pipeline[1]['scale'] = 9",
            [TO_TRAIN],
        ),
        (f'test_pipeline = {NEW}', [TO_VAL, TO_TEST]),
        (
            'input_size = (64, 64)',
            [
                'train_pipeline = [...]  # again, with input_size in it',
                TO_TRAIN,
                'test_pipeline = [...]  # again, with input_size in it',
                TO_VAL,
                TO_TEST,
            ],
        ),
        (
            'max_epochs = 3',
            [
                'train_cfg = dict(max_epochs=max_epochs)',
                'param_scheduler = [...]  # again, with max_epochs in it',
            ],
        ),
        (
            "folder = 'b/'",
            [
                'train_dataloader = dict(dataset=dict(data_root=folder))',
                "val_dataloader = dict(dataset=dict(datasets=[{**part, 'root': folder} "
                'for part in _base_.parts]))',
                "test_dataloader = dict(dataset=dict(datasets=[{**part, 'root': folder}"
                ' for part in _base_.parts]))',
                "val_evaluator = dict(file=folder + 'val.json')",
                "test_evaluator = dict(file=folder + 'val.json')",
            ],
        ),
    ],
)
def test_a_variable_that_reaches_nothing(child, text, fixes):
    with pytest.raises(UserError) as error:
        load_config(child(text))
    first, *lines = str(error.value).splitlines()
    name = text.removeprefix('_base_.').partition(' ')[0].partition('.')[0]
    assert first.startswith(f'line 2 of child.py sets {name}, which reaches nothing: ')
    assert [line.strip() for line in lines] == fixes


def test_what_the_error_proposes_passes_it_on(child):
    cfg = load_config(child(f'train_pipeline = {NEW}\n{TO_TRAIN}'))
    assert cfg.train_dataloader.dataset.pipeline == [dict(type='PackInputs')]


@pytest.mark.parametrize(
    ('options', 'fix'),
    [
        (
            ['train_pipeline.1.scale=9'],
            'train_dataloader.dataset.pipeline.1.scale=9',
        ),
        (
            ['test_pipeline.1.scale=9'],
            'val_dataloader.dataset.pipeline.1.scale=9 '
            'test_dataloader.dataset.pipeline.1.scale=9',
        ),
    ],
)
def test_an_option_that_reaches_nothing(child, options, fix):
    with pytest.raises(UserError) as error:
        load_config(child(''), options)
    first, line = str(error.value).splitlines()
    assert first.startswith(f'--cfg-options {options[0]} reaches nothing: ')
    assert line.strip() == f'--cfg-options {fix}'
    load_config('child.py', fix.split())


@pytest.mark.parametrize(
    'text',
    [
        f'train_pipeline = {NEW}\n{TO_TRAIN}',
        # by another name, in a loop
        f'train_pipeline = {NEW}\nsteps = train_pipeline\n'
        'train_dataloader = dict(dataset=dict(pipeline=steps))',
        f'test_pipeline = {NEW}\n'
        'val_dataloader, test_dataloader = (\n'
        '    dict(dataset=dict(pipeline=test_pipeline)) for _ in range(2))',
        # in its place by hand; the same value again; a variable of its own
        f'train_pipeline = {NEW}\n'
        f'train_dataloader = dict(dataset=dict(pipeline={NEW}))',
        'train_pipeline = _base_.train_pipeline',
        'max_epochs = 20',
        'steps = 3',
        # the base's is named beside it; a loop's own name is no variable
        f'train_pipeline = {NEW}\ntrain_dataloader = dict(dataset=dict('
        'pipeline=[*_base_.train_pipeline, *train_pipeline]))',
        'for folder in range(3):\n    pass',
        'if True:\n    numbers = [folder for folder in range(3)]',
        # no validation
        'val_dataloader = val_evaluator = None',
        # what was made of it is gone
        'input_size = 3\ntrain_dataloader = val_dataloader = test_dataloader = None',
    ],
)
def test_a_variable_that_is_passed_on(child, text):
    config = child(text)
    load_config(config)
    assert config_notices(load_config(config), config) == []


def test_a_validation_that_is_left_out(child):
    config = child('val_dataloader = None')
    assert config_notices(load_config(config), config) == []


def test_a_grandchild_may_pass_it_on(child, tmp_path):
    child(f'train_pipeline = {NEW}')
    (tmp_path / 'child.py').rename(tmp_path / 'parent.py')
    (tmp_path / 'child.py').write_text(
        "_base_ = './parent.py'\n"
        'train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))\n'
    )
    cfg = load_config('child.py')
    assert cfg.train_dataloader.dataset.pipeline == [dict(type='PackInputs')]
    with pytest.raises(UserError, match=r'line 2 of parent\.py sets train_pipeline'):
        load_config('parent.py')


@pytest.mark.parametrize(
    ('text', 'notice'),
    [
        (
            f'test_pipeline = {NEW}\n'
            'val_dataloader = dict(dataset=dict(pipeline=test_pipeline))',
            'sets test_pipeline, but test_dataloader.dataset.pipeline keeps that of',
        ),
        (
            'val_evaluator = dict(classwise=True)',
            'changes val_evaluator alone: test_evaluator is still that of line ',
        ),
        (
            "custom_hooks = [dict(type='EMAHook')]",
            'leaves out SeedHook, NonFiniteLossHook; custom_hooks = [',
        ),
        (
            'train_cfg = dict(max_epochs=12)',
            'the run ends after 12 epochs, and MultiStepLR has milestones that it does '
            'not reach: 15',
        ),
        (
            "param_scheduler = [dict(type='CosineAnnealingLR', end=9, T_max=9)]",
            'the learning rate stays as it is from 9 epochs on, to the end after 20',
        ),
        (
            'train_cfg = dict(_delete_=True, by_epoch=False, max_iters=9)\n'
            "param_scheduler = [dict(type='StepLR', step_size=3)]",
            'StepLR counts epochs, and the run is one, of iterations: the rate never',
        ),
        (
            "param_scheduler = [dict(type='PolyLR', end=30)]",
            'PolyLR lowers the learning rate up to 30: it does not get to its end',
        ),
    ],
)
def test_notices(child, text, notice):
    config = child(text)
    (found,) = config_notices(load_config(config), config)
    assert found.startswith('child.py: ')
    assert notice in found


@pytest.mark.parametrize(
    'text',
    [
        'custom_hooks = []',
        'custom_hooks = _base_.custom_hooks[:1]',
        'val_dataloader = dict(batch_size=3)',
        'val_evaluator = dict(classwise=True)\ntest_evaluator = val_evaluator',
    ],
)
def test_what_is_meant_is_no_notice(child, text):
    config = child(text)
    assert config_notices(load_config(config), config) == []


@pytest.mark.slow
def test_no_false_alarm_of_our_configs():
    for config in CONFIGS:
        cfg = load_config(config)
        if '_base_' not in config:
            assert config_notices(cfg, config) == [], config


def test_no_false_alarm_of_libraries():
    config = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
    assert config_notices(load_config(config), config) == []


def test_a_run_does_not_start(child, error_of, tmp_path):
    config = child(f'train_pipeline = test_pipeline = {NEW}')
    for call in (train, evaluate):
        arguments = [config] if call is train else [config, 'none.pth']
        assert 'train_pipeline, which reaches nothing' in error_of(call, *arguments)
    assert not (tmp_path / 'work_dirs').exists()
